import { afterAll, beforeAll, expect, test } from 'vitest';
import { newState } from '#core/environment';
import { requireOutputs } from '../../../infra/deploy/require-outputs.ts';
import { dynamoEnvironments } from '../../../lambdas/adapters/dynamo-environments.ts';
import { dynamoRecords } from '../../../lambdas/adapters/dynamo-records.ts';
import { runDeploy } from '../../../scripts/deploy/run-deploy.ts';
import { environmentsTable } from '../../../scripts/destroy/environments-table.ts';
import { logLine } from '../../../scripts/logs/log-line.ts';
import { printTrace } from '../../../scripts/logs/print-trace.ts';
import { readLogs } from '../../../scripts/logs/read-logs.ts';
import { printTestToken } from '../../../scripts/test-token/print-test-token.ts';
import { holder } from '../../fakes/holder.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { type EmptyAccounts, startEmptyAccounts } from '../deploy/empty-accounts.ts';

const HOUR = 3_600_000;
let accounts: EmptyAccounts;

beforeAll(async () => {
  accounts = await startEmptyAccounts();
}, 180_000);
afterAll(() => accounts.close());

const said = async (pull?: string) => {
  const lines: string[] = [];
  await readLogs(await accounts.open(), { pull, since: HOUR }, (line) => lines.push(line));
  return lines;
};

test('before a deploy a message says that there is no log and no token', async () => {
  await expect(said()).rejects.toThrow('is not deployed');
  const terminal = scriptedTerminal();
  await expect(printTestToken(await accounts.open(terminal), { show: true })).rejects.toThrow(
    'There is no service token for programs',
  );
});

test('lines of both functions are shown in their order, and one pull request alone by its name', async () => {
  await runDeploy(await accounts.open(), { assumeYes: true, smoke: undefined });
  const deployment = await accounts.openAsRoot();
  const { DeployerLogGroup = '', CleanupLogGroup = '' } = await requireOutputs(deployment);
  const rows = dynamoEnvironments(deployment.aws.dynamodb, (await environmentsTable(deployment)) ?? '');
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
  await rows.wake('7#42', source, Date.now());
  const { logs } = accounts.plane.aws;
  const line = (environment: string, message: string) =>
    JSON.stringify({ level: 'info', message, environment, outcome: 'two words' });
  logs.append(DeployerLogGroup, line('7#42', 'first'));
  logs.append(DeployerLogGroup, line('7#421', 'of another'));
  logs.append(CleanupLogGroup, line('7#42', 'second'));

  const ours = await said('Acme/shop#42');
  expect(ours).toEqual([
    expect.stringMatching(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}deployer {2}info {3}first {2}pr=acme\/shop#42 {2}outcome="two words"$/,
    ),
    expect.stringMatching(/ {2}cleanup {3}info {3}second/),
  ]);
  expect(await said()).toHaveLength(3);
  await expect(said('acme/shop#43')).rejects.toThrow('Eph knows no pull request acme/shop#43.');
});

test('the trace of a pull request shows its state and the reason, then every step', async () => {
  const deployment = await accounts.openAsRoot();
  const { EnvironmentsTable = '', EventsTable: events = '' } = (await requireOutputs(deployment)) ?? {};
  const rows = dynamoEnvironments(deployment.aws.dynamodb, EnvironmentsTable);
  const state = newState(0);
  const failure = {
    code: 'build-failed',
    sentence: 'The build of `api` failed.',
    sha: 'abcdef0123',
    at: 0,
    log: [],
  };
  const lease = { id: 'l', until: Date.now() + 1_000 };
  await rows.claim('7#42', undefined, lease, Date.now());
  await rows.save('7#42', holder(lease.id), {
    ...state,
    phase: 'failed',
    hostname: 'x-pr.eph.test',
    failure,
  });
  const clock = { now: () => Date.UTC(2026, 10, 21, 8), newId: () => 'one' };
  const records = dynamoRecords(deployment.aws.dynamodb, { builds: '', events }, clock);
  const at = Date.UTC(2026, 10, 21, 8);
  const cause = 'pull_request opened';
  await records.putEvents('7#42', 'guid', [
    { at, cause, step: 'read-settings', outcome: 'read', millis: 12 },
    { at: at + 1_500, cause, step: 'launch-host', outcome: 'i-1', millis: 900 },
  ]);
  const lines: string[] = [];
  await printTrace(await accounts.open(), 'ACME/shop#42', (line) => lines.push(line));
  expect(lines).toEqual([
    'acme/shop#42  failed  x-pr.eph.test',
    '  failed at abcdef0: The build of `api` failed. (build-failed)',
    '\n2026-11-21  pull_request opened  (delivery guid)',
    '  08:00:00.000            read-settings      12 ms  read',
    '  08:00:01.500    +1.5 s  launch-host       900 ms  i-1',
  ]);
  await expect(printTrace(await accounts.open(), 'acme/shop#43', () => undefined)).rejects.toThrow(
    'Eph knows no pull request acme/shop#43.',
  );
});

test('a stranger’s text in trace and logs cannot control the terminal, and does not look like a line of Eph', async () => {
  const deployment = await accounts.openAsRoot();
  const { EventsTable: events = '' } = await requireOutputs(deployment);
  const clock = { now: () => Date.UTC(2026, 10, 22), newId: () => 'two' };
  const records = dynamoRecords(deployment.aws.dynamodb, { builds: '', events }, clock);
  const evil = 'x\u001b]52;c;Y3VybA==\u0007\u009b2J\u202e\n  08:00:09.000  done';
  const step = { at: Date.UTC(2026, 10, 22), cause: evil, step: 'wait', outcome: evil, millis: 1 };
  await records.putEvents('7#42', evil, [step]);
  const lines: string[] = [];
  await printTrace(await accounts.open(), 'acme/shop#42', (line) => lines.push(line));
  lines.push(logLine({ at: 0, source: 'webhook', message: evil }) ?? '');
  lines.push(
    logLine({
      at: 0,
      source: 'webhook',
      message: JSON.stringify({ level: 'info', message: evil, branch: evil }),
    }) ?? '',
  );
  const text = lines.join('\n');
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
  expect(text).not.toMatch(/^ {2}08:00:09\.000 {2}done/m);
  expect(text.match(/^ {6}\| {3}08:00:09\.000 {2}done/gm)).toHaveLength(5);
});

test('new lines are shown once, until it is stopped', async () => {
  const deployment = await accounts.open();
  const { DeployerLogGroup = '' } = await requireOutputs(deployment);
  const stop = new AbortController();
  const lines: string[] = [];
  let looks = 0;
  await readLogs(
    deployment,
    { since: HOUR, follow: stop.signal },
    (line) => lines.push(line),
    async () => {
      looks += 1;
      if (looks === 1) accounts.plane.aws.logs.append(DeployerLogGroup, 'something new');
      else stop.abort();
    },
  );
  expect(lines.filter((line) => line.endsWith('something new'))).toHaveLength(1);
  expect(lines).toHaveLength(4);
});

test("Lambda's own lines are left out unless they say why it died; secrets are never shown", () => {
  const shown = (message: string) => logLine({ at: 0, source: 'cleanup', message });
  expect(shown('START RequestId: 1 Version: $LATEST\n')).toBeUndefined();
  expect(shown('REPORT RequestId: 1 Duration: 1 ms Status: timeout')).toContain('Status: timeout');
  expect(shown(`token ghs_${'a'.repeat(36)} AKIAABCDEFGHIJKLMNOP`)).toMatch(/token \[secret\] \[secret\]$/);
  expect(shown(`ghs_${'a'.repeat(9)}\u001b[0m${'a'.repeat(20)}`)).toMatch(/ {2}\[secret\]$/);
});

test('the token for CI is shown only on request, and a shell can read its lines', async () => {
  const hidden = scriptedTerminal();
  await printTestToken(await accounts.open(hidden), { show: false });
  const shown = scriptedTerminal();
  await printTestToken(await accounts.open(shown), { show: true });
  const secret = shown.lines
    .find((line) => line.startsWith('export CF_SERVICE_TOKEN_SECRET='))
    ?.split('=')[1];
  expect(secret).toBeTruthy();
  expect(hidden.lines.join('\n')).not.toContain(secret ?? '');
  expect(hidden.lines.join('\n')).toContain('both headers, CF-Access-Client-Id and CF-Access-Client-Secret');
  expect(hidden.lines.join('\n')).toMatch(/^export CF_SERVICE_TOKEN_ID=\S+$/m);
  for (const line of shown.lines) expect(line).toMatch(/^(#|export [A-Z_]+=\S+$)/);
});
