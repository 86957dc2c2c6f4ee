import type { Environment } from '../../infra/settings/env-file.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { ephAdmin } from '../commands.ts';
import { failureText } from '../terminal/failure-text.ts';
import { output } from '../terminal/output.ts';
import type { Context } from './command.ts';
import { parseArguments } from './parse-arguments.ts';

/**
 * Runs one command of the operator, from its words to its exit code. A command's code is loaded once it is known
 * which command it is: the help loads no SDK.
 */
export async function runAdmin(words: readonly string[], environment: Environment): Promise<void> {
  const asked = parseArguments(ephAdmin, words, output.width);
  switch (asked.is) {
    case 'text':
      output.out(asked.text);
      return;
    case 'mistake':
      output.err(`${asked.text}${asked.text && '\n'}${failureText(asked.mistake)}\n`);
      process.exitCode = 2;
      return;
    case 'command': {
      const { command, values, envFile } = asked;
      const given = envFile === undefined ? environment : { ...environment, EPH_ENV_FILE: envFile };
      const { runCommand } = await import('../terminal/run-command.ts');
      return runCommand((terminal) => command.run(contextOf(terminal, given), values), given);
    }
  }
}

function contextOf(terminal: Terminal, environment: Environment): Context {
  const open = async () => {
    const { openDeployment } = await import('../../infra/deploy/open-deployment.ts');
    return openDeployment(terminal, environment);
  };
  return {
    terminal,
    environment,
    open,
    async openOwn() {
      const deployment = await open();
      const { refuseOtherHome } = await import('../deploy/refuse-other-home.ts');
      await refuseOtherHome(deployment);
      return deployment;
    },
  };
}
