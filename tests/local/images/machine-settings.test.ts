import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMachineSettings } from '../../../local/images/machine-settings.ts';

const [one = '', two = ''] = rootCertificates;
let temp: string;

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'eph-settings-'));
});
afterEach(() => rm(temp, { recursive: true, force: true }));

it('finds the certificates that the environment and npm name, each once', async () => {
  await writeFile(join(temp, 'a.pem'), `${one}\n${two}\n`);
  await writeFile(join(temp, 'b.pem'), `# the same again\n${two}\n`);
  const named = {
    NODE_EXTRA_CA_CERTS: join(temp, 'a.pem'),
    SSL_CERT_FILE: '',
    npm_config_cafile: join(temp, 'b.pem'),
  };
  const { authorities } = await readMachineSettings({ PATH: process.env['PATH'], HOME: temp, ...named });
  expect(authorities).toEqual(expect.arrayContaining([one, two]));
  expect(new Set(authorities).size).toBe(authorities.length);
});

it('passes on an npm registry that containers can reach, and none on loopback', async () => {
  const settings = (registry: string) =>
    readMachineSettings({ PATH: process.env['PATH'], HOME: temp, npm_config_registry: registry });
  expect((await settings('https://npm.example/all/')).npmRegistry).toBe('https://npm.example/all/');
  expect((await settings('http://localhost:4873/')).npmRegistry).toBeUndefined();
});
