import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/**
 * Fills a folder with the programs that a machine image has and this computer lacks or has in another
 * version: node, cloudflared (the stand-in), eph-agent; and with `more`, name -> shell script.
 * @returns the folder, which must come first on PATH
 */
export async function makePrograms(folder: string, more: Readonly<Record<string, string>>): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await symlink(process.execPath, join(folder, 'node'));
  await symlink(join(root, 'host/eph-agent'), join(folder, 'eph-agent'));
  const cloudflared = `exec '${process.execPath}' '${join(root, 'local/cloudflare/cloudflared.ts')}' "$@"`;
  for (const [name, script] of Object.entries({ cloudflared, ...more })) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}
