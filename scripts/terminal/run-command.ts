import { inspect } from 'node:util';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { inquirerTerminal } from './inquirer-terminal.ts';
import { printable } from './printable.ts';

/**
 * Runs a command of the operator and turns its end into words and an exit code: 0, 1 for what went wrong,
 * 130 for Ctrl-C. No stack trace unless EPH_DEBUG is set.
 */
export async function runCommand(command: (terminal: Terminal) => Promise<void>): Promise<void> {
  const terminal = inquirerTerminal(process.env);
  try {
    await command(terminal);
  } catch (error) {
    process.exitCode = tell(terminal, error);
  }
}

function tell(terminal: Terminal, error: unknown): number {
  if (process.env['EPH_DEBUG']) console.error(printable(inspect(error)));
  // https://github.com/SBoudrias/Inquirer.js: Ctrl-C at a prompt
  if (error instanceof Error && error.name === 'ExitPromptError') {
    terminal.say('\nStopped. What was done is done; the same command goes on from there.');
    return 130;
  }
  const message = error instanceof Error ? error.message : String(error);
  terminal.mark('failed', message, error instanceof OperatorError ? error.fix : undefined);
  if (!(error instanceof OperatorError)) terminal.say('  EPH_DEBUG=1 shows where this comes from.');
  return 1;
}
