import { OperatorError } from './operator-error.ts';

/** Ctrl-C in a command that ends in an orderly way: exit code 130, as a shell reports it for an interrupted program. */
export class Interrupted extends OperatorError {}
