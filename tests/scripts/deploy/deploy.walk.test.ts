import { CreateTableCommand, DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { refreshFunctions } from '../../../infra/deploy/refresh-functions.ts';
import { listWorkerKeys, makeWorkerKey } from '../../../infra/deploy/worker-key.ts';
import { uploadWorkerSecrets } from '../../../infra/deploy/worker-secrets.ts';
import { Interrupted } from '../../../infra/terminal/interrupted.ts';
import { sweep } from '../../../local/announce-platform.ts';
import { runDeploy, runPlan } from '../../../scripts/deploy/run-deploy.ts';
import { runDestroy } from '../../../scripts/deploy/run-destroy.ts';
import { environmentsTable } from '../../../scripts/destroy/environments-table.ts';
import { deployFunctions } from '../../../scripts/functions/deploy-functions.ts';
import { listHandlers, zipFunction } from '../../../scripts/functions/zip-function.ts';
import { rotateCloudflareToken } from '../../../scripts/rotate/cloudflare-token.ts';
import { rotateWorkerKey } from '../../../scripts/rotate/worker-key.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { changes, type EmptyAccounts, startEmptyAccounts } from './empty-accounts.ts';

/** One story on one pair of accounts; each test continues where the one before ended. */
let accounts: EmptyAccounts;
const yes = { assumeYes: true, smoke: undefined };

beforeAll(async () => {
  accounts = await startEmptyAccounts();
}, 120_000);
afterAll(() => accounts.close());

test('a plan of the first deploy says what will be there, and changes nothing', async () => {
  const terminal = scriptedTerminal();
  const from = accounts.wire.length;
  expect(await runPlan(await accounts.open(terminal))).toBe(true);
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  const said = terminal.lines.join('\n');
  expect(said).toContain('account 000000000000, us-east-1');
  expect(said).toContain('zone eph.localhost');
  expect(said).toContain('The CloudFormation stack eph-local is created');
  expect(said).toContain('/eph/local/name-key is made');
  expect(said).toContain('The Worker eph-local is uploaded with its secrets');
  expect(said).toMatch(/idle +\$\d+\.\d\d a month/);
});

test('a region that offers fewer zones than the network needs is reported before anything is changed', async () => {
  const from = accounts.wire.length;
  const few = runDeploy(await accounts.open(scriptedTerminal(), { ZONES: '4' }), yes);
  await expect(few).rejects.toMatchObject({
    message: 'us-east-1 has 3 zones for this account, ZONES is 4.',
    fix: 'ZONES=3 in the settings.',
  });
  expect(changes(accounts.wire.slice(from))).toEqual([]);
});

test('zones without a default subnet do not count for CloudFormation, which is reported before anything is changed', async () => {
  const { defaultSubnets } = accounts.plane.aws.network.knobs;
  defaultSubnets.add('us-east-1a').add('us-east-1b');
  const from = accounts.wire.length;
  const few = runDeploy(await accounts.open(scriptedTerminal(), { ZONES: '3' }), yes);
  await expect(few).rejects.toMatchObject({
    message: expect.stringMatching(/^CloudFormation counts 2 zones in us-east-1, ZONES is 3/),
    fix: expect.stringContaining('--availability-zone us-east-1c'),
  });
  defaultSubnets.clear();
  expect(changes(accounts.wire.slice(from))).toEqual([]);
});

test('nothing is changed when the operator answers no', async () => {
  const terminal = scriptedTerminal({ Deploy: false });
  const from = accounts.wire.length;
  const deployment = await accounts.open(terminal);
  await expect(runDeploy(deployment, { assumeYes: false, smoke: undefined })).rejects.toThrow(
    'Nothing was changed.',
  );
  expect(changes(accounts.wire.slice(from))).toEqual([]);
});

test('an interrupted deploy ends after the current step, and the next one continues from there', async () => {
  const stopping = new AbortController();
  const terminal = scriptedTerminal();
  const deployment = await accounts.open({
    ...terminal,
    mark(outcome, text, fix) {
      terminal.mark(outcome, text, fix);
      if (text.startsWith('Stack') && text.includes('created')) stopping.abort();
    },
  });
  const interrupted = runDeploy(deployment, { ...yes, stop: stopping.signal });
  await expect(interrupted).rejects.toThrow(Interrupted);
  await expect(interrupted).rejects.toThrow(/^Stopped before ".*"\. Everything before it is done\.$/);
  expect(accounts.plane.worker.installed()).toBeUndefined();

  const next = scriptedTerminal();
  await runDeploy(await accounts.open(next), yes);
  expect(next.lines.find((line) => line.startsWith('done: Stack eph-local'))).toContain('nothing to change');
  expect(next.lines.join('\n')).toContain('Three things to do next');
  const health = await fetch(`${accounts.plane.worker.url}/health`);
  expect(await health.json()).toMatchObject({ ok: true });
});

test('after a deploy, a plan finds nothing to do and a second deploy changes nothing', async () => {
  const terminal = scriptedTerminal();
  const from = accounts.wire.length;
  expect(await runPlan(await accounts.open(terminal))).toBe(false);
  await runDeploy(await accounts.open(terminal), yes);
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  expect(terminal.lines.join('\n')).toContain('Everything is as the settings say.');
});

test('a deployment of the same id from another AWS account or region is not mistaken for this one', async () => {
  const { vars = {} } = accounts.plane.worker.installed() ?? {};
  const here = vars['DEPLOYED_FROM'] ?? '';
  expect(here).toBe('000000000000/us-east-1');
  vars['DEPLOYED_FROM'] = '111111111111/eu-central-1';
  const from = accounts.wire.length;
  const commands = [
    async () => runPlan(await accounts.open()),
    async () => runDeploy(await accounts.open(), yes),
    async () => runDestroy(await accounts.open(), { confirm: 'local' }),
  ];
  for (const command of commands) {
    await expect(command()).rejects.toThrow(
      'has a deployment "local" already, run from AWS 111111111111/eu-central-1; these settings are for AWS 000000000000/us-east-1.',
    );
  }
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  vars['DEPLOYED_FROM'] = here;
});

test('a changed setting is planned by the resources it changes, and reaches the functions', async () => {
  const settings = { TERMINATE_AFTER_SECONDS: '600' };
  const terminal = scriptedTerminal();
  expect(await runPlan(await accounts.open(terminal, settings))).toBe(true);
  expect(terminal.lines.join('\n')).toMatch(/~ AWS::Lambda::Function Deployer/);
  await runDeploy(await accounts.open(terminal, settings), yes);
  expect(accounts.plane.aws.stack.functions[0]?.environment).toMatchObject(settings);
  expect(await runPlan(await accounts.open(terminal, settings))).toBe(false);
  await runDeploy(await accounts.open(), yes);
});

test('a rotation replaces the Worker’s one access key while the Worker goes on answering', async () => {
  const deployment = await accounts.open();
  const user = (await deployment.tools.stack.outputs())?.WorkerUserName ?? '';
  const [before, ...others] = await listWorkerKeys(deployment, user);
  expect(others).toEqual([]);
  const terminal = scriptedTerminal();
  let answering = true;
  let answers = 0;
  const watching = (async () => {
    while (answering) {
      const { status } = await fetch(`${accounts.plane.worker.url}/health`);
      expect(status).toBe(200);
      answers += 1;
    }
  })();
  await rotateWorkerKey(await accounts.open(terminal));
  answering = false;
  await watching;
  expect(answers).toBeGreaterThan(5);
  const [after, ...left] = await listWorkerKeys(deployment, user);
  expect(left).toEqual([]);
  expect(after?.id).not.toBe(before?.id);
  expect(terminal.lines).toContain(`done: ${before?.id} was deleted.`);
  expect(await runPlan(await accounts.open())).toBe(false);
});

test('a key that an interruption left is removed when the Worker gets its next one', async () => {
  const deployment = await accounts.open();
  const user = (await deployment.tools.stack.outputs())?.WorkerUserName ?? '';
  const lost = accounts.plane.aws.credentials.accessKeys.create(user);
  await rotateWorkerKey(await accounts.open());
  const keys = await listWorkerKeys(deployment, user);
  expect(keys).toHaveLength(1);
  expect(keys.map(({ id }) => id)).not.toContain(lost.accessKeyId);
});

test('a rotation that was interrupted after the upload keeps the key in use', async () => {
  const deployment = await accounts.open();
  const user = (await deployment.tools.stack.outputs())?.WorkerUserName ?? '';
  const [old] = await listWorkerKeys(deployment, user);
  const key = await makeWorkerKey(deployment, user, old?.id);
  await uploadWorkerSecrets(deployment, {}, undefined, key);
  // The rotation was interrupted here. The next one makes room for a third key by removing the first.
  const third = await makeWorkerKey(deployment, user, key.id);
  expect((await listWorkerKeys(deployment, user)).map(({ id }) => id).toSorted()).toEqual(
    [key.id, third.id].toSorted(),
  );
  expect(await runPlan(await accounts.open())).toBe(false);
  await rotateWorkerKey(await accounts.open());
  expect(await listWorkerKeys(deployment, user)).toHaveLength(1);
});

test('the environments are read from the stack’s own table, whatever an earlier stack has left', async () => {
  const opened = await accounts.openAsRoot();
  const { dynamodb } = opened.aws;
  const TableName = 'eph-local-TablesEnvironments000-LEFT';
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'key', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'key', AttributeType: 'S' }],
    }),
  );
  const outputs = await opened.tools.stack.outputs();
  expect(await environmentsTable(opened)).toBe(outputs?.['EnvironmentsTable']);
  await dynamodb.send(new DeleteTableCommand({ TableName }));
});

test('both tasks of the cleanup can be run by hand, beside rules that are no task', async () => {
  for (const task of ['due', 'compare'] as const) {
    expect(await sweep(accounts.plane, task)).toMatchObject([{ ok: true }]);
  }
});

test('the token of the functions is replaced, and the previous one no longer works', async () => {
  const { parameters, names, cloudflare } = await accounts.open();
  const works = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${cloudflare.apiUrl}/zones/${cloudflare.zoneId}/dns_records`, { headers })).status;
  };
  const kept = async () => (await parameters.read(names.cloudflareToken)) ?? '';
  await rotateCloudflareToken(await accounts.open());
  const first = await kept();
  expect(await works(first)).toBe(200);
  const terminal = scriptedTerminal();
  await rotateCloudflareToken(await accounts.open(terminal));
  expect(terminal.lines.at(-1)).toBe('done: The old token was deleted.');
  expect(await works(await kept())).toBe(200);
  expect(await works(first)).not.toBe(200);
});

test('a Worker whose key was deleted gets a new one', async () => {
  const deployment = await accounts.open();
  const user = (await deployment.tools.stack.outputs())?.WorkerUserName ?? '';
  const [key] = await listWorkerKeys(deployment, user);
  accounts.plane.aws.credentials.accessKeys.remove(user, key?.id ?? '');
  const terminal = scriptedTerminal();
  await runDeploy(await accounts.open(terminal), yes);
  expect(terminal.lines.join('\n')).toContain(
    'The Worker gets a new AWS access key: it has none that works.',
  );
  expect(await listWorkerKeys(deployment, user)).toHaveLength(1);
});

test("after refreshFunctions, and after a deploy of the functions' code alone, events reach new sandboxes", async () => {
  const { aws } = accounts.plane;
  const rule = aws.stack.rules.find(({ targets }) => targets[0]?.input?.includes('due'))?.name ?? '';
  const run = async () => {
    const [result] = await aws.runSchedule(rule);
    expect(result).toMatchObject({ ok: true });
    return result?.cold;
  };
  await run();
  expect(await run()).toBe(false);
  await refreshFunctions(await accounts.open());
  expect(await run()).toBe(true);
  expect(await run()).toBe(false);
  const terminal = scriptedTerminal();
  await deployFunctions(await accounts.open(terminal));
  expect(terminal.lines.filter((line) => line.startsWith('done:'))).toHaveLength(aws.stack.functions.length);
  expect(await run()).toBe(true);
});

test('the zip of a function is the same for the same sources', async () => {
  const [handler = ''] = await listHandlers();
  expect(Buffer.from(await zipFunction(handler)).equals(await zipFunction(handler))).toBe(true);
});

test('nothing secret is printed or in the wire log', async () => {
  const { github, cloudflare, worker } = accounts.plane;
  const deployment = await accounts.open();
  const { parameters, names } = deployment;
  const secrets = [
    github.app.privateKey.split('\n')[3],
    github.app.webhookSecret,
    cloudflare.runtimeToken,
    cloudflare.apiToken,
    await parameters.read(names.nameKey),
  ];
  const terminal = scriptedTerminal();
  await runDeploy(await accounts.open(terminal, { IDLE_STOP_SECONDS: '3600' }), yes);
  const said = terminal.lines.join('\n');
  const log = await accounts.writtenLog();
  expect(log).toContain('CreateAccessKey');
  for (const secret of secrets) {
    expect(secret?.length).toBeGreaterThan(8);
    expect(said).not.toContain(secret);
    expect(log).not.toContain(secret);
  }
  expect(log).not.toMatch(/<SecretAccessKey>(?!\[redacted\])/);
  expect(Object.keys(worker.installed()?.vars ?? {})).not.toContain('AWS_SECRET_ACCESS_KEY');
  await runDeploy(await accounts.open(), yes);
});

test('a secret that make setup has not stored is named before anything is changed', async () => {
  const deployment = await accounts.open();
  const { parameters, names } = deployment;
  const secret = (await parameters.read(names.webhookSecret)) ?? '';
  await parameters.remove([names.webhookSecret]);
  const from = accounts.wire.length;
  const failed = runDeploy(await accounts.open(), yes);
  await expect(failed).rejects.toThrow(
    "Parameter Store in us-east-1 does not have the GitHub App's webhook secret (/eph/local/deploy/webhook-secret).",
  );
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  await parameters.writeSecret(names.webhookSecret, secret);
});
