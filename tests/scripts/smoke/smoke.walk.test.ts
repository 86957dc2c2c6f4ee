import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { surveyArchive } from '../../../host/extract-archive.ts';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { Interrupted } from '../../../infra/terminal/interrupted.ts';
import { OperatorError } from '../../../infra/terminal/operator-error.ts';
import { runDeploy } from '../../../scripts/deploy/run-deploy.ts';
import { runSmoke } from '../../../scripts/smoke/run-smoke.ts';
import { sampleArchive } from '../../../scripts/smoke/sample-archive.ts';
import { smokePoints } from '../../../scripts/smoke/smoke-points.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { type EmptyAccounts, startEmptyAccounts } from '../deploy/empty-accounts.ts';

let accounts: EmptyAccounts;
let deployment: Deployment;

/** Machines here can only be switched on and off; nothing runs in them. */
const impatient = { boot: 300, deploy: 300, other: 300 };
const options = () => ({
  environment: accounts.plane.environment,
  deadlines: impatient,
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.min(ms, 20))),
});

beforeAll(async () => {
  accounts = await startEmptyAccounts();
  deployment = await accounts.open();
  await runDeploy(deployment, { assumeYes: true, smoke: undefined });
}, 180_000);
afterAll(() => accounts.close());

function left() {
  const { aws, cloudflare } = accounts.plane;
  const machines = aws.ec2.describeInstances({}).instances.filter(({ state }) => state !== 'terminated');
  const tunnels = cloudflare.cloudflare.listTunnels({ is_deleted: 'false' }).items;
  const records = cloudflare.cloudflare
    .listRecords({})
    .items.filter(({ comment }) => comment?.startsWith('eph:'));
  return [...machines, ...tunnels, ...records];
}

test('a machine that never reports is a no with its fix, and nothing of the smoke check is left', async () => {
  const terminal = scriptedTerminal();
  const opened = { ...deployment, terminal };
  const walk = runSmoke(opened, options());
  await expect(walk).rejects.toThrow(OperatorError);
  const said = terminal.lines.join('\n');
  expect(said).toMatch(
    /done: yes: EC2 launches a machine from our launch template with your rights \(i-\w+\)/,
  );
  expect(said).toMatch(/failed: no: the boot unit starts the agent.*: nothing was in its mailbox after/);
  expect(said).toContain('make ami-build FORCE=1');
  expect(said).toContain(
    'not shown: the tunnel connects, and a program with the service token gets the page; not reached',
  );
  expect(said).toContain('done: yes: nothing of this walk is left');
  expect(left()).toEqual([]);
}, 60_000);

test('a refused launch is a no, and its tunnel and record are removed', async () => {
  const { knobs } = accounts.plane.aws.ec2;
  knobs.vcpuLimit = 0;
  const terminal = scriptedTerminal();
  await expect(runSmoke({ ...deployment, terminal }, options())).rejects.toThrow('ends with 1 no');
  knobs.vcpuLimit = 1152;
  expect(terminal.lines.join('\n')).toMatch(/failed: no: EC2 launches a machine/);
  expect(left()).toEqual([]);
}, 60_000);

test('a fact that only AWS or Cloudflare can show never counts as shown on a local platform', async () => {
  const terminal = scriptedTerminal();
  await expect(runSmoke({ ...deployment, terminal }, options())).rejects.toThrow();
  const yes = terminal.lines.filter((line) => line.startsWith('done: yes'));
  const modelled = Object.values(smokePoints).filter((point) => 'localReason' in point);
  expect(yes).not.toEqual([]);
  expect(modelled).not.toEqual([]);
  for (const { claim } of modelled) expect(yes.join('\n')).not.toContain(claim);
}, 60_000);

test('Ctrl-C ends the smoke check and removes everything', async () => {
  const terminal = scriptedTerminal();
  const interrupt = new AbortController();
  const patient = {
    ...options(),
    deadlines: { ...impatient, boot: 60_000 },
    stop: interrupt.signal,
  };
  const walk = runSmoke({ ...deployment, terminal }, patient);
  while (!terminal.lines.some((line) => line.includes('waiting for its first report'))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  interrupt.abort();
  await expect(walk).rejects.toThrow(Interrupted);
  await expect(walk).rejects.toThrow('Stopped; what was made is taken away.');
  expect(left()).toEqual([]);
}, 60_000);

test('hosts accept the sample as they accept an archive of GitHub', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'eph-sample-'));
  await writeFile(join(dir, 'sample.tar.gz'), sampleArchive());
  const survey = await surveyArchive(join(dir, 'sample.tar.gz'));
  await rm(dir, { recursive: true });
  expect(survey).toEqual({
    git: undefined,
    leaving: new Set(),
    paths: ['compose.yaml', 'probe.sh'],
    warnings: [],
  });
});
