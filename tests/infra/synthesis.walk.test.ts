import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { placeholderSettings } from '../../infra/settings/settings.ts';

const repository = join(import.meta.dirname, '../..');
const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-synthesis-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The CDK app as `cdk` runs it, functions bundled. */
function synthesise(out: string, settings: Record<string, string>) {
  const env = { PATH: process.env['PATH'], HOME: folder, CDK_OUTDIR: join(folder, out), ...settings };
  return run(process.execPath, ['infra/app.ts'], { cwd: repository, env });
}

test('the stack is synthesised offline, with both functions bundled and no open finding of cdk-nag', async () => {
  await synthesise('good', placeholderSettings);
  const report = JSON.parse(await readFile(join(folder, 'good/validation-report.json'), 'utf8'));
  expect(report.pluginReports).toMatchObject([{ pluginName: 'AwsSolutions', conclusion: 'success' }]);
  expect(report.pluginReports[0].violations).toEqual([]);
  const manifest = JSON.parse(await readFile(join(folder, 'good/eph-local.assets.json'), 'utf8'));
  const functions = Object.values<{ source: { path: string } }>(manifest.files).filter(({ source }) =>
    source.path.startsWith('asset.'),
  );
  expect(functions).toHaveLength(2);
  for (const { source } of functions) {
    const bundle = await readFile(join(folder, 'good', source.path, 'index.mjs'));
    expect(bundle.byteLength).toBeLessThanOrEqual(1_200_000);
  }
});

test('missing settings are one list of sentences, without a stack trace', async () => {
  const failed = await synthesise('bad', { DEPLOYMENT_ID: 'local' }).catch((error) => error);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('The stack cannot be made from these settings:\n  PREVIEW_ZONE is not set');
  expect(failed.stderr).not.toContain('    at ');
});
