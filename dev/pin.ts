import { pinAll } from '../infra/image/pins.ts';
import { runCommand } from '../scripts/terminal/run-command.ts';

/** `make pin`: see packer/pins.env. The next deploy bakes an image with what it recorded. */
await runCommand(async (terminal) => {
  const pinned = await terminal.during('Asking the vendors', () => pinAll());
  for (const sentence of pinned) terminal.mark('done', sentence);
  terminal.print('Recorded in packer/pins.env; look at the difference, commit it, make deploy.');
});
