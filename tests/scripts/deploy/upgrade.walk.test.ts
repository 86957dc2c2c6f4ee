import { join } from 'node:path';
import { DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BenchPlatform, startBenchPlatform } from '../../../dev/bench/start-bench-platform.ts';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { openLocalDeployment } from '../../../local/control-plane.ts';
import { eventually } from '../../../local/eventually.ts';
import { runDeploy, runPlan } from '../../../scripts/deploy/run-deploy.ts';
import { environmentsTable } from '../../../scripts/destroy/environments-table.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';

let platform: BenchPlatform;
const branches = ['one', 'two'];

beforeAll(async () => {
  const cache = join(import.meta.dirname, '../../../.local');
  platform = await startBenchPlatform({ cache, pauseMs: 100, limits: false, branches });
}, 120_000);
afterAll(() => platform.close());

const open = (settings: Record<string, string>) =>
  openLocalDeployment({ environment: { ...platform.environment, ...settings } }, scriptedTerminal());

interface Seen {
  number: number;
  phase: string;
  sha: string | undefined;
  host: string | undefined;
}

async function rows(deployment: Deployment): Promise<Seen[]> {
  const TableName = await environmentsTable(deployment);
  const client = DynamoDBDocumentClient.from(deployment.aws.dynamodb);
  const seen: Seen[] = [];
  for await (const page of paginateScan({ client }, { TableName })) {
    for (const { number, state } of page.Items ?? []) {
      if (!state) continue;
      seen.push({
        number,
        phase: state.phase,
        sha: state.pull?.sha,
        host: state.host?.handle.data.instanceId,
      });
    }
  }
  return seen.toSorted((a, b) => a.number - b.number);
}

/** Waits until all are ready, with these commits if they are given. */
async function allReady(deployment: Deployment, count: number, shas: string[] = []): Promise<Seen[]> {
  return eventually('all previews are ready', 60, async () => {
    const seen = await rows(deployment);
    const ready =
      seen.length === count &&
      seen.every(({ phase, sha }, index) => phase === 'ready' && (!shas[index] || sha === shas[index]));
    return ready ? { done: seen } : { seen: JSON.stringify(seen) };
  });
}

function branchHeads(): string[] {
  const [repository] = [...platform.github.github.state.repositories.values()];
  return branches.map((branch) => repository?.branches.get(branch) ?? 'none');
}

test('an upgrade during work loses no environment and no message', async () => {
  const before = await open({});
  await platform.openPullRequest('one');
  const [first] = await allReady(before, 1);

  const after = await open({ IDLE_STOP_SECONDS: '7200' });
  const upgrading = runDeploy(after, { assumeYes: true, smoke: undefined });
  await platform.pushAll(['one']);
  await platform.openPullRequest('two');
  await upgrading;
  await platform.pushAll(branches);

  const [one, two] = await allReady(after, 2, branchHeads());
  expect(one?.host).toBe(first?.host);
  expect(one?.sha).not.toBe(first?.sha);
  expect(two?.host).toBeDefined();
  expect(platform.aws.stack.functions[0]?.environment['IDLE_STOP_SECONDS']).toBe('7200');
  expect(platform.problems).toEqual([]);
});

test('the ingress changes to a function’s address, and back to a key, and no push is lost', async () => {
  const ways = [{ INGRESS: 'function-url' }, { INGRESS: 'worker-key' }];
  for (const settings of ways) {
    const deployment = await open(settings);
    const terminal = scriptedTerminal();
    expect(await runPlan({ ...deployment, terminal })).toBe(true);
    expect(terminal.lines.join('\n')).toContain(`uploaded with its new way in (INGRESS=${settings.INGRESS})`);
    await runDeploy(deployment, { assumeYes: true, smoke: undefined });
    expect(await runPlan(await open(settings))).toBe(false);
    const from = platform.wire.length;
    await platform.pushAll(branches);
    await allReady(deployment, 2, branchHeads());
    const throughAddress = platform.wire.slice(from).filter(({ peer }) => peer === 'lambda').length;
    // On a busy machine a push whose answer is slow is sent again.
    expect(Math.min(throughAddress, branches.length)).toBe(
      settings.INGRESS === 'function-url' ? branches.length : 0,
    );
  }
  expect(platform.problems).toEqual([]);
});
