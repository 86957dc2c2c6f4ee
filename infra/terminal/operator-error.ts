/**
 * A problem that the operator can repair: shown as a sentence and what to do, without a stack. Everything else that a
 * command throws is a defect of Eph or a vendor's fault, and shown as such.
 */
export class OperatorError extends Error {
  /** What to type or to change. */
  readonly fix: string | undefined;

  constructor(message: string, fix?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OperatorError';
    this.fix = fix;
  }
}
