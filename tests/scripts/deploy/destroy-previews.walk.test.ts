import { join } from 'node:path';
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BenchPlatform, startBenchPlatform } from '../../../dev/bench/start-bench-platform.ts';
import { openLocalDeployment } from '../../../local/control-plane.ts';
import { eventually } from '../../../local/eventually.ts';
import { runDestroy } from '../../../scripts/deploy/run-destroy.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';

let platform: BenchPlatform;

beforeAll(async () => {
  const cache = join(import.meta.dirname, '../../../.local');
  platform = await startBenchPlatform({ cache, pauseMs: 50, limits: false, branches: ['one', 'two'] });
}, 120_000);
afterAll(() => platform.close());

async function hosts(): Promise<(string | undefined)[]> {
  const { aws } = await openLocalDeployment(platform, scriptedTerminal());
  const { Reservations = [] } = await aws.ec2.send(new DescribeInstancesCommand({}));
  return Reservations.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name)).filter(
    (state) => state !== 'terminated',
  );
}

test('previews are closed by Eph itself, and then nothing is left in any account', async () => {
  await platform.openPullRequest('one');
  await platform.openPullRequest('two');
  await eventually('a dry run lists two previews and their hosts', 25, async () => {
    const listed = scriptedTerminal({ CONFIRM: '' });
    await runDestroy(await openLocalDeployment(platform, listed), { confirm: undefined });
    const said = listed.lines.join('\n');
    return /acme\/shop#1 \(ready\)[\s\S]*acme\/shop#2 \(ready\)[\s\S]*host i-/.test(said)
      ? { done: true }
      : { seen: said };
  });

  const terminal = scriptedTerminal();
  await runDestroy(await openLocalDeployment(platform, terminal), { confirm: 'local' });
  expect(terminal.lines).toContain('done: Nothing with the mark of local is left.');
  expect(await hosts()).toEqual([]);
  const { cloudflare } = platform.cloudflare;
  expect(cloudflare.listTunnels({ is_deleted: 'false' }).items).toEqual([]);
  expect(cloudflare.listRecords({}).items).toEqual([]);
  expect(platform.aws.ssm.parameters.all().filter(({ name }) => name.startsWith('/eph/'))).toEqual([]);
}, 90_000);
