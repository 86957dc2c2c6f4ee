/** An error that Cloudflare's API answers with; the wire server makes the envelope of it. */
export class CloudflareError extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.name = 'CloudflareError';
    this.status = status;
    this.code = code;
  }
}
