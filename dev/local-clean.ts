import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanLeftovers } from '../local/hosts/clean-leftovers.ts';

/** `make local-clean`: machines, networks and files of the local platform, also of a run that was killed. */
const dir = join(import.meta.dirname, '..', '.local');
try {
  await cleanLeftovers(join(dir, 'machines'));
  await rm(dir, { recursive: true, force: true });
  console.log('Nothing of the local platform is left.');
} catch (error) {
  const denied = error instanceof Error && 'code' in error && error.code === 'EACCES';
  if (denied) console.error('What the local platform left belongs to root: sudo make local-clean.');
  else console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
