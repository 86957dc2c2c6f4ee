import { cutText } from './cut-text.ts';
import { MAX_CODE_BYTES, MAX_SENTENCE_BYTES } from './limits.ts';

/**
 * Failures are four, and everything unknown is transient: an unknown error that is retried costs a retry,
 * one that is swallowed costs an environment.
 *
 *   permanent  tell the people, stop until something changes (a push, a setting)
 *   capacity   nobody's fault: `queued`, look again in minutes
 *   transient  retry with a back-off kept in the row
 *   conflict   somebody else holds the row now: leave, change nothing
 *
 * Code and sentence go into the row and quote others (a vendor, eph.yaml): they are cut to what a row may hold.
 */
export type FailureKind = 'permanent' | 'capacity' | 'transient' | 'conflict';

export class EphError extends Error {
  readonly kind: FailureKind;
  readonly code: string;
  /** For the pull request: names the thing, the place and the fix. */
  readonly sentence: string;
  /** When the vendor said how long to wait (`retry-after`), milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(
    kind: FailureKind,
    code: string,
    sentence: string,
    options: { cause?: unknown; retryAfter?: number } = {},
  ) {
    super(`${code}: ${sentence}`, { cause: options.cause });
    this.name = 'EphError';
    this.kind = kind;
    this.code = cutText(code, MAX_CODE_BYTES);
    this.sentence = cutText(sentence, MAX_SENTENCE_BYTES);
    this.retryAfter = options.retryAfter;
  }
}

export function permanent(code: string, sentence: string, cause?: unknown): EphError {
  return new EphError('permanent', code, sentence, { cause });
}

export function conflict(code: string, sentence: string): EphError {
  return new EphError('conflict', code, sentence);
}

/** What a step threw, as one of the four. The cause is kept for the log, the sentence for the people. */
export function asEphError(error: unknown): EphError {
  if (error instanceof EphError) return error;
  return new EphError('transient', 'unknown', 'Something unexpected failed inside Eph; it tries again.', {
    cause: error,
  });
}
