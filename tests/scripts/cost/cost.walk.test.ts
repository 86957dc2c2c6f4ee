import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

function makeCost(environment: Record<string, string> = {}, ...words: string[]) {
  const env = { PATH: process.env['PATH'], EPH_ENV_FILE: join(root, '.env.none'), ...environment };
  return run(process.execPath, ['scripts/eph-admin.ts', 'cost', ...words], { cwd: root, env });
}

test('make cost needs no settings, and docs/operations.md shows what it prints', async () => {
  const { stdout } = await makeCost();
  const [, shown] =
    /## Cost\n[\s\S]*?```\n([\s\S]*?)```/.exec(await readFile(join(root, 'docs/operations.md'), 'utf8')) ??
    [];
  expect(shown).toBe(stdout);
});

test('make cost uses the settings that costs depend on, and other instance types', async () => {
  const { stdout } = await makeCost(
    { AWS_REGION: 'eu-central-1', HOST_IMAGE: 'stock' },
    '--types',
    't4g.xlarge',
  );
  expect(stdout).toContain('this deployment is in eu-central-1');
  expect(stdout).toContain('no image of its own');
  expect(stdout.match(/awake, /g)).toHaveLength(1);
  expect(stdout).toMatch(/awake, t4g\.xlarge +\$0\.1416 +\$103\.36/);
});

test('make cost names a type without a price, and the types that it knows', async () => {
  const failed = await makeCost({}, '--types', 't3.small,x9.huge').catch((error) => error);
  expect(failed.code).toBe(2);
  expect(failed.stderr).toContain('There is no price for x9.huge in scripts/cost/prices.json.');
  expect(failed.stderr).toContain('t4g.small');
  expect(failed.stdout + failed.stderr).not.toContain('    at ');
});
