import { OperatorError } from './operator-error.ts';

/** A mistake in what was typed, found before anything was done: written to stderr, exit code 2. */
export class UsageError extends OperatorError {}
