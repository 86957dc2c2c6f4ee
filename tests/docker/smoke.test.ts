import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLocalDeployment } from '../../local/control-plane.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { runSmoke } from '../../scripts/smoke/run-smoke.ts';
import { smokePoints } from '../../scripts/smoke/smoke-points.ts';
import { scriptedTerminal } from '../fakes/scripted-terminal.ts';

let dir: string;
let platform: Platform;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'eph-smoke-'));
  platform = await startPlatform({ dir, log: () => undefined, images: ['caddy:2', 'busybox:1'] });
}, 300_000);
afterAll(async () => {
  await platform?.close();
  await rm(dir, { recursive: true, force: true });
});

test('the smoke check follows a real machine from launch to removal, and says what it cannot show here', async () => {
  const terminal = scriptedTerminal();
  const deployment = await openLocalDeployment(platform, terminal);
  await runSmoke(deployment, {
    environment: platform.environment,
    deadlines: { boot: 120_000, deploy: 120_000, other: 60_000 },
  });
  const points = Object.values(smokePoints);
  const modelled = points.filter((point) => 'localReason' in point).length;
  const count = (start: string) => terminal.lines.filter((line) => line.startsWith(start)).length;
  expect(count('done: yes: ')).toBe(points.length - modelled);
  expect(count('skipped: not shown: ')).toBe(modelled);
  expect(count('failed: ')).toBe(0);
}, 300_000);
