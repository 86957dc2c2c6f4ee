/** A delivery in GitHub's form; a test may replace parts of it. */
export interface Delivery {
  event: string;
  payload: unknown;
  /** Exact bytes, where they are not the payload's JSON. */
  body?: BodyInit | undefined;
  secret?: string;
  /** `null` leaves a header out. */
  headers?: Record<string, string | null>;
}

export const env = {
  SQS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/jobs',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'key',
  GITHUB_WEBHOOK_SECRET: 'now',
  VERSION: '1.2.3',
};

export const opened = {
  action: 'opened',
  number: 42,
  installation: { id: 7 },
  repository: { id: 186853002, name: 'shop', owner: { login: 'acme' } },
};

export async function delivery(of: Delivery): Promise<Request> {
  const text = JSON.stringify(of.payload);
  const headers = new Headers();
  const given: Record<string, string | null> = {
    'content-type': 'application/json',
    'X-GitHub-Event': of.event,
    'X-GitHub-Delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    'X-Hub-Signature-256': await signature(of.secret ?? env.GITHUB_WEBHOOK_SECRET, text),
    ...of.headers,
  };
  for (const [name, value] of Object.entries(given)) if (value !== null) headers.set(name, value);
  return new Request('https://eph.example.workers.dev/webhooks/github', {
    method: 'POST',
    headers,
    body: of.body ?? text,
  });
}

/** Written from GitHub's documentation, without the package that the Worker verifies with. */
export async function signature(secret: string, text: string): Promise<string> {
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey(
    'raw',
    bytes.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes.encode(text)));
  return `sha256=${[...mac].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
