import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unstable_readConfig as readConfig } from 'wrangler';
import { compatibility } from '../../local/worker/start-worker.ts';

const repository = join(import.meta.dirname, '../..');
let folder: string;
let bundle: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-worker-bundle-'));
  // Exactly what would be uploaded; without --dry-run the same command deploys.
  await promisify(execFile)(
    process.execPath,
    [
      join(repository, 'node_modules/wrangler/bin/wrangler.js'),
      ...['deploy', '--dry-run', '--config', 'worker/wrangler.jsonc', '--outdir', folder],
    ],
    { cwd: repository, env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' } },
  );
  bundle = await readFile(join(folder, 'index.js'), 'utf8');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the Worker is at most 20 KB gzip: it runs on the free plan, with 10 ms of CPU for a request', () => {
  expect(gzipSync(bundle).byteLength).toBeLessThanOrEqual(20_000);
});

test('the Worker contains no AWS SDK and nothing of Node', () => {
  expect(bundle).not.toContain('aws-sdk');
  expect(bundle).not.toMatch(/from\s*["']node:/);
});

test('the Worker reaches a host of its own zone at its tunnel, not through the edge again, whatever its date becomes', () => {
  const uploaded = readConfig({ config: join(repository, 'worker/wrangler.jsonc') });
  expect(uploaded.compatibility_flags).toEqual(['global_fetch_private_origin']);
});

test('the Worker runs here with the date and the flags of its upload', () => {
  const { compatibility_date, compatibility_flags } = readConfig({
    config: join(repository, 'worker/wrangler.jsonc'),
  });
  expect(compatibility).toEqual({
    compatibilityDate: compatibility_date,
    compatibilityFlags: compatibility_flags,
  });
});
