import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packerImage } from '../../../infra/deploy/packer-image.ts';
import { imageInputs } from '../../../infra/image/image-files.ts';

const packer = join(import.meta.dirname, '../../../packer');
const manifest = join(packer, 'manifest.json');
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

it('makes an image by the pins that it gets and marks it with them, and does not change those of the repository', async () => {
  const own = await readFile(join(packer, 'pins.env'), 'utf8');
  const pins = 'NODE_VERSION=v24.0.0\n';
  const resolvePins = async () => pins;
  const { build } = packerImage({ PATH: `${folder}:${process.env['PATH']}` }, resolvePins);
  expect(await build('x86_64', image, () => undefined)).toBe('ami-1');
  const given = await readFile(join(folder, 'arguments'), 'utf8');
  const [, inputs, file = ''] = /-var inputs=(.*?) -var pins=(.*?) -var/.exec(given) ?? [];
  expect(inputs).toBe(await imageInputs('x86_64', pins));
  expect(basename(file)).toBe('pins.env');
  expect(await readFile(file, 'utf8')).toBe(pins);
  expect(await readFile(join(packer, 'pins.env'), 'utf8')).toBe(own);
});
