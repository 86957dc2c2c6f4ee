import { cutText } from './cut-text.ts';
import { MAX_CODE_BYTES, MAX_SENTENCE_BYTES } from './limits.ts';

/**
 * There are four kinds of failure, and everything unknown is transient: to retry an unknown error costs a retry,
 * to ignore one costs an environment.
 *
 *   permanent  report it to people, and stop until something changes (a push, a setting)
 *   capacity   no one has made a mistake: the phase is `queued`, and the row is reconciled again in minutes
 *   transient  retry, with a back-off that is kept in the row
 *   conflict   another run holds the row now: end this run and change nothing
 *
 * Code and sentence go into the row and quote others (a vendor, eph.yaml), so they are cut to what a row may hold.
 */
export type FailureKind = 'permanent' | 'capacity' | 'transient' | 'conflict';

export class EphError extends Error {
  readonly kind: FailureKind;
  readonly code: string;
  /** For the pull request: the sentence names the thing, the place and the fix. */
  readonly sentence: string;
  /** Milliseconds to wait, if the vendor named the time (`retry-after`). */
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

/** Turns what a step threw into one of the four kinds. The cause is kept for the log, the sentence for people. */
export function asEphError(error: unknown): EphError {
  if (error instanceof EphError) return error;
  return new EphError('transient', 'unknown', 'Something unexpected failed inside Eph; it tries again.', {
    cause: error,
  });
}
