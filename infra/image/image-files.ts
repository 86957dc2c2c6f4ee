import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '../..');

/**
 * The files that every host gets, whatever its image: paths in the repository, and where `provision.sh` looks for
 * them.
 */
const carried = ['packer/provision.sh', 'packer/pins.env', 'host/bootstrap.sh', 'host/eph-agent'];
const definition = ['packer/host.pkr.hcl', 'packer/plugins.pkr.hcl'];

export interface ImageFile {
  /** The name in the folder that is given to provision.sh. */
  name: string;
  content: Uint8Array;
}

/**
 * Everything that `provision.sh <folder>` needs, in a fixed order.
 *
 * @param pins instead of the repository's packer/pins.env
 */
export async function provisionFiles(pins?: string): Promise<ImageFile[]> {
  const folder = join(root, 'packer/files');
  const inFolder = (await readdir(folder)).toSorted().map((name) => join('packer/files', name));
  return Promise.all(
    [...carried, ...inFolder].map(async (path) => ({
      name: path.startsWith('packer/') ? relative('packer', path) : relative('host', path),
      content:
        pins !== undefined && path === 'packer/pins.env'
          ? Buffer.from(pins)
          : await readFile(join(root, path)),
    })),
  );
}

/**
 * Hash of all inputs of a baked image except the newest packages, which is why images also grow old (`make doctor`).
 * Two images with the same hash count as the same, so the second is not baked.
 */
export async function imageInputs(architecture: string, pins?: string): Promise<string> {
  const hash = createHash('sha256').update(architecture);
  for (const { name, content } of await provisionFiles(pins)) hash.update(`\n${name}\n`).update(content);
  for (const path of definition) hash.update(`\n${path}\n`).update(await readFile(join(root, path)));
  return hash.digest('hex');
}
