import { bringImage, lacking } from '../infra/deploy/image-step.ts';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make ami-build`: ARCH=arm64 for the other architecture, FORCE=1 although nothing changed (newer packages). */
await runCommand(async (terminal) => {
  const architecture = process.env['ARCH'] ?? 'x86_64';
  if (architecture !== 'x86_64' && architecture !== 'arm64') {
    throw new OperatorError(`ARCH is ${architecture}, but must be x86_64 or arm64.`);
  }
  const deployment = await openDeployment(terminal);
  const reason = await lacking(deployment, architecture);
  if (!reason && process.env['FORCE'] !== '1') {
    terminal.mark(
      'done',
      `The ${architecture} image is up to date; FORCE=1 bakes it anew with today's packages.`,
    );
    return;
  }
  const done = await terminal.during('Machine image', (progress) =>
    bringImage(deployment, architecture, progress),
  );
  terminal.mark('done', `${done}. The next host boots from it.`);
});
