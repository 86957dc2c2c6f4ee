import { runSetup } from './setup/run-setup.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make setup` (ENV=<file>: another settings file). */
await runCommand((terminal) => runSetup(terminal, process.env));
