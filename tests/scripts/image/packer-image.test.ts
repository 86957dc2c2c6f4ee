import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packerImage } from '../../../scripts/deploy/packer-image.ts';
import { imageInputs } from '../../../scripts/image/image-files.ts';

const manifest = join(import.meta.dirname, '../../../packer/manifest.json');
const image = {
  deploymentId: 'shop',
  region: 'eu-central-1',
  subnetId: 'subnet-1',
  instanceType: 't3.small',
};
let folder: string;

/** A program that is called as Packer is: keeps its arguments and names an image in the manifest. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-packer-'));
  const script = `#!/bin/sh
echo "$@" >>${folder}/arguments
[ "$1" = build ] && echo '{"builds":[{"artifact_id":"eu-central-1:ami-1"}]}' >${manifest}
exit 0
`;
  await writeFile(join(folder, 'packer'), script);
  await chmod(join(folder, 'packer'), 0o755);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(manifest, { force: true });
});

it('marks an image with what it is made of, after the pins for it were brought', async () => {
  let settled = false;
  const settle = async () => {
    settled = true;
  };
  const { build } = packerImage({ PATH: `${folder}:${process.env['PATH']}` }, settle);
  expect(await build('x86_64', image, () => undefined)).toBe('ami-1');
  const [, inputs] = /-var inputs=(.*?) -var/.exec(await readFile(join(folder, 'arguments'), 'utf8')) ?? [];
  expect(settled).toBe(true);
  expect(inputs).toBe(await imageInputs('x86_64'));
});
