import { OperatorError } from './operator-error.ts';

/** Ctrl-C, where a command ends in an orderly way: exit code 130, as a shell has it for a program that it interrupts. */
export class Interrupted extends OperatorError {}
