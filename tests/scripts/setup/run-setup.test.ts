import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeSetting } from '../../../infra/settings/env-file.ts';
import { OperatorError } from '../../../infra/terminal/operator-error.ts';
import { type Part, runSetup } from '../../../scripts/setup/run-setup.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';

let folder: string;
let envFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-setup-'));
  envFile = join(folder, '.env');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A part that finds out these settings, as the real ones do with a vendor's help. */
const finding =
  (settings: Record<string, string>, seen: (string | undefined)[] = []): Part =>
  async ({ environment, envFile: file }) => {
    seen.push(environment['DEPLOYMENT_ID']);
    for (const [name, value] of Object.entries(settings)) await writeSetting(file, name, value);
  };
const aws = { AWS_REGION: 'eu-central-1' };
const cloudflare = {
  PREVIEW_ZONE: 'example.dev',
  PREVIEW_ZONE_ID: 'a'.repeat(32),
  CLOUDFLARE_ACCOUNT_ID: 'b'.repeat(32),
};
const github = { GITHUB_APP_ID: '7', GITHUB_APP_SLUG: 'eph-shop', GITHUB_OWNER: 'acme' };
const signIn = { ACCESS_TEAM: 'acme', ACCESS_ALLOW: '@acme.dev' };

test('the file is made from the example, filled part by part, and the next command is printed', async () => {
  const terminal = scriptedTerminal({ DEPLOYMENT_ID: ['Shop', 'shop'] });
  const seen: (string | undefined)[] = [];
  const parts = [aws, cloudflare, github, signIn].map((settings) => finding(settings, seen));
  await runSetup(terminal, { EPH_ENV_FILE: envFile }, parts);

  const text = await readFile(envFile, 'utf8');
  expect(text).toContain('DEPLOYMENT_ID=shop\n');
  expect(text).toContain('GITHUB_APP_SLUG=eph-shop\n');
  expect(text).toContain('# Settings of one deployment.');
  expect((await stat(envFile)).mode & 0o077).toBe(0);
  expect(seen).toEqual(['shop', 'shop', 'shop', 'shop']);
  expect(terminal.lines.join('\n')).toMatch(/make doctor[\s\S]*make plan[\s\S]*make deploy/);
});

test('a second run asks no answered question, and keeps every line', async () => {
  const parts = [aws, cloudflare, github, signIn].map((settings) => finding(settings));
  await runSetup(scriptedTerminal({ DEPLOYMENT_ID: 'shop' }), { EPH_ENV_FILE: envFile }, parts);
  const before = await readFile(envFile, 'utf8');
  const again = scriptedTerminal();
  await runSetup(again, { EPH_ENV_FILE: envFile }, parts);
  expect(again.asked).toEqual([]);
  expect(again.lines).toContain('skipped: DEPLOYMENT_ID is shop');
  expect(await readFile(envFile, 'utf8')).toBe(before);
});

test('a part that fails ends the setup; the next run has the earlier answers', async () => {
  const stops: Part = () => Promise.reject(new OperatorError('The token lacks a right.'));
  const first = runSetup(scriptedTerminal({ DEPLOYMENT_ID: 'shop' }), { EPH_ENV_FILE: envFile }, [
    finding(aws),
    stops,
  ]);
  await expect(first).rejects.toThrow('The token lacks a right.');
  const again = scriptedTerminal();
  await runSetup(again, { EPH_ENV_FILE: envFile }, [
    finding({ ...aws, ...cloudflare, ...github, ...signIn }),
  ]);
  expect(again.asked).toEqual([]);
  expect(await readFile(envFile, 'utf8')).toContain('AWS_REGION=eu-central-1\n');
});
