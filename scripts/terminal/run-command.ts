import { inspect } from 'node:util';
import type { Environment } from '../../infra/settings/env-file.ts';
import { Interrupted } from '../../infra/terminal/interrupted.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import { failureText } from './failure-text.ts';
import { inquirerTerminal } from './inquirer-terminal.ts';
import { printable } from './printable.ts';

/**
 * Runs a command of the operator and turns its end into words and an exit code: 0, 1 for an error, 2 for a mistake in
 * the typed words, 130 for Ctrl-C. No stack trace unless EPH_DEBUG is set.
 *
 * @param command resolves with an exit code of its own, or with nothing, which means 0
 */
export async function runCommand(
  command: (terminal: Terminal) => Promise<number | undefined>,
  environment: Environment = process.env,
): Promise<void> {
  const terminal = inquirerTerminal(environment);
  try {
    process.exitCode = await command(terminal);
  } catch (error) {
    process.exitCode = tell(environment, error);
  }
}

/** On stderr, so that what a command says on stdout can go into a file or a pipe. */
function tell(environment: Environment, error: unknown): number {
  if (environment['EPH_DEBUG']) console.error(printable(inspect(error)));
  // https://github.com/SBoudrias/Inquirer.js: Ctrl-C at a prompt
  if (error instanceof Error && error.name === 'ExitPromptError') {
    console.error('\nStopped. What was done is done; the same command goes on from there.');
    return 130;
  }
  if (!(error instanceof OperatorError)) {
    console.error(failureText({ message: error instanceof Error ? error.message : String(error) }));
    console.error('  EPH_DEBUG=1 shows where this comes from.');
    return 1;
  }
  console.error(failureText(error));
  if (error instanceof UsageError) return 2;
  return error instanceof Interrupted ? 130 : 1;
}
