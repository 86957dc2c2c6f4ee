import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { imageInputs, provisionFiles } from '../../../infra/image/image-files.ts';
import { missingPins, pinAll, readPins } from '../../../infra/image/pins.ts';
import { provisionScript } from '../../../infra/image/provision-script.ts';
import { pinsOf, resolvePins } from '../../../infra/image/resolve-pins.ts';
import { parameterNames } from '../../../infra/settings/settings.ts';
import { type HostBoot, provisionObjectKey, userDataOf } from '../../../lambdas/providers/ec2/host-boot.ts';
import { memoryParameters } from '../../fakes/memory-parameters.ts';

const boot: HostBoot = {
  v: 1,
  environment: '7#42',
  attempt: 1,
  region: 'eu-central-1',
  bucket: 'eph-x-123456789012-eu-central-1',
  hostRoleId: 'AROA',
  agentSha256: 'a'.repeat(64),
};

describe('the inputs of an image', () => {
  it('have one hash for the same files, and another one for another architecture', async () => {
    expect(await imageInputs('x86_64')).toBe(await imageInputs('x86_64'));
    expect(await imageInputs('arm64')).not.toBe(await imageInputs('x86_64'));
  });

  it('are all files that provision.sh reads from its folder', async () => {
    const names = (await provisionFiles()).map(({ name }) => name);
    const script = await readFile(join(import.meta.dirname, '../../../packer/provision.sh'), 'utf8');
    const read = [...script.matchAll(/"\$(?:from|1)\/([\w./-]+)"/g)].map(([, name]) => name);
    expect(read.length).toBeGreaterThan(5);
    expect(read.filter((name) => !names.includes(name ?? ''))).toEqual([]);
  });
});

describe('the user data of a stock image', () => {
  const { bucket, region } = boot;
  const sha256 = 'c'.repeat(64);
  const [first = '', ...rest] = userDataOf(boot, sha256).split('\n');

  it('is a cloud-init configuration and the host’s own document at the same time', () => {
    expect(first).toBe('#cloud-config');
    expect(parse(rest.join('\n'))).toMatchObject(boot);
    expect(JSON.parse(rest.join('\n'))).toMatchObject(boot);
  });

  it('fetches the provisioning by its hash and runs nothing else', () => {
    const { runcmd } = parse(rest.join('\n'));
    expect(runcmd).toHaveLength(1);
    const [shell, , script] = runcmd[0];
    expect(shell).toBe('bash');
    expect(script).toContain(`--region ${region} s3://${bucket}/${provisionObjectKey(sha256)}`);
    expect(script.indexOf('sha256sum --check')).toBeLessThan(script.lastIndexOf('bash /root'));
    expect(spawnSync('bash', ['-n', '-c', script]).status).toBe(0);
  });

  it('stays far below EC2’s 16 KB', () => {
    expect(userDataOf(boot, sha256).length).toBeLessThan(2_000);
  });

  it('is the plain document for a baked image', () => {
    expect(JSON.parse(userDataOf(boot, ''))).toEqual(boot);
  });
});

describe('the provisioning of a stock image', () => {
  it('is the same text each time, and unpacks to its original files', async () => {
    const { text, sha256 } = await provisionScript();
    expect((await provisionScript()).sha256).toBe(sha256);
    const listing = text.replace(/bash "\$folder\/provision.sh".*\n/, 'cat "$folder/eph-agent"\n');
    const { stdout, status } = spawnSync('bash', ['-c', listing], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toBe(await readFile(join(import.meta.dirname, '../../../host/eph-agent'), 'utf8'));
  });
});

describe('make pin', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'eph-pins-'));
    file = join(folder, 'pins.env');
    await writeFile(file, heading);
  });
  const heading = '# what it is\nCOMPOSE_VERSION=v2.40.0\nBUILDX_VERSION=v0.30.0\n';
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const sum = (digit: string) => digit.repeat(64);
  const vendors: Record<string, string> = {
    'https://nodejs.org/dist/index.json': JSON.stringify([
      { version: 'v25.1.0', lts: false },
      { version: 'v24.20.0', lts: 'Krypton' },
    ]),
    'https://nodejs.org/dist/v24.20.0/SHASUMS256.txt': `${sum('1')}  node-v24.20.0-linux-x64.tar.xz\n${sum('2')}  node-v24.20.0-linux-arm64.tar.xz\n`,
    'https://github.com/docker/compose/releases/download/v2.40.0/checksums.txt': `${sum('3')} *docker-compose-linux-x86_64\n${sum('4')} *docker-compose-linux-aarch64\n`,
    'https://github.com/docker/buildx/releases/download/v0.30.0/checksums.txt': `${sum('5')} *buildx-v0.30.0.linux-amd64\n${sum('6')} *buildx-v0.30.0.linux-arm64\n`,
  };
  const ask =
    (changed: Record<string, string> = {}) =>
    async (url: string) => {
      const text = { ...vendors, ...changed }[url];
      if (text === undefined) throw new Error(`404: ${url}`);
      return text;
    };

  it('records versions and the checksums that the vendors published, for both architectures', async () => {
    expect(missingPins(await readFile(file, 'utf8'))).toEqual(['node', 'compose', 'buildx']);
    expect(await pinAll(ask(), file)).toEqual([
      'node v24.20.0',
      'compose stays at v2.40.0',
      'buildx stays at v0.30.0',
    ]);
    expect(missingPins(await readFile(file, 'utf8'))).toEqual([]);
    const text = await readFile(file, 'utf8');
    expect(text).toContain(`NODE_AARCH64_SHA256=${sum('2')}`);
    expect(text).toContain(
      'COMPOSE_X86_64_URL=https://github.com/docker/compose/releases/download/v2.40.0/docker-compose-linux-x86_64',
    );
    expect(text.startsWith('# what it is\n')).toBe(true);
  });

  it('prints what changed the next time, and keeps one set', async () => {
    await pinAll(ask(), file);
    const newer = {
      'https://nodejs.org/dist/index.json': JSON.stringify([{ version: 'v24.21.0', lts: 'Krypton' }]),
      'https://nodejs.org/dist/v24.21.0/SHASUMS256.txt': `${sum('7')}  node-v24.21.0-linux-x64.tar.xz\n${sum('8')}  node-v24.21.0-linux-arm64.tar.xz\n`,
    };
    const [node, compose] = await pinAll(ask(newer), file);
    expect(node).toBe('node v24.21.0, was v24.20.0');
    expect(compose).toBe('compose stays at v2.40.0');
    expect((await readFile(file, 'utf8')).match(/NODE_VERSION/g)).toHaveLength(1);
  });

  it('is not needed for a deploy, which stores the pins that it looked up with the deployment, not in the repository', async () => {
    const own = await readPins();
    const parameters = memoryParameters();
    const kept = { parameters, names: parameterNames('test') };
    const said: string[] = [];
    const { COMPOSE_VERSION: compose, BUILDX_VERSION: buildx } = parseEnv(own);
    const ofOwn = ask({
      [`https://github.com/docker/compose/releases/download/${compose}/checksums.txt`]: `${sum('3')} *docker-compose-linux-x86_64\n${sum('4')} *docker-compose-linux-aarch64\n`,
      [`https://github.com/docker/buildx/releases/download/${buildx}/checksums.txt`]: `${sum('5')} *buildx-${buildx}.linux-amd64\n${sum('6')} *buildx-${buildx}.linux-arm64\n`,
    });
    const pins = await resolvePins(kept, (detail) => said.push(detail), ofOwn);
    expect(said).toEqual(['node v24.20.0', `compose stays at ${compose}`, `buildx stays at ${buildx}`]);
    expect(missingPins(pins)).toEqual([]);
    expect(await pinsOf(kept)).toBe(pins);
    expect(await readPins()).toBe(own);
    const nobody = async () => Promise.reject(new Error('asked again'));
    expect(await resolvePins(kept, () => undefined, nobody)).toBe(pins);
    // A release of Eph that was tested with another compose makes its hosts with that.
    await parameters.write(
      kept.names.imagePins,
      pins.replace(/^COMPOSE_VERSION=.*$/m, 'COMPOSE_VERSION=v2.0.0'),
    );
    expect(await pinsOf(kept)).toBeUndefined();
    expect(await resolvePins(kept, () => undefined, ofOwn)).toBe(pins);
  });

  it('requires a recorded version of compose, because the tests run with it', async () => {
    await writeFile(file, '# what it is\nBUILDX_VERSION=v0.30.0\n');
    await expect(pinAll(ask(), file)).rejects.toThrow('names no version of docker/compose');
  });

  it('records nothing when one checksum is missing', async () => {
    const half = { 'https://github.com/docker/buildx/releases/download/v0.30.0/checksums.txt': '' };
    await expect(pinAll(ask(half), file)).rejects.toThrow('do not name buildx-v0.30.0.linux-amd64');
    expect(await readFile(file, 'utf8')).toBe(heading);
  });
});
