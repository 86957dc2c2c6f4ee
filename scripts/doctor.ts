import { runDoctor } from './doctor/run-doctor.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make doctor`. Exit code 1 when something is wrong. */
await runCommand(async (terminal) => {
  if ((await runDoctor(terminal, process.env)) > 0) process.exitCode = 1;
});
