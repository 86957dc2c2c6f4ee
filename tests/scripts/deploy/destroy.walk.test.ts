import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Interrupted } from '../../../infra/terminal/interrupted.ts';
import { runDeploy, runPlan } from '../../../scripts/deploy/run-deploy.ts';
import { runDestroy } from '../../../scripts/deploy/run-destroy.ts';
import { closePreviews } from '../../../scripts/destroy/environments-destroy-step.ts';
import { workerKeyDestroyStep } from '../../../scripts/destroy/worker-key-destroy-step.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { changes, type EmptyAccounts, startEmptyAccounts } from './empty-accounts.ts';

/** One story; each test continues where the one before ended. */
let accounts: EmptyAccounts;
const yes = { assumeYes: true, smoke: undefined };

beforeAll(async () => {
  accounts = await startEmptyAccounts();
  await runDeploy(await accounts.open(), yes);
}, 120_000);
afterAll(() => accounts.close());

test('without a confirmation it lists what exists, by kind, and changes nothing', async () => {
  const terminal = scriptedTerminal({ CONFIRM: '' });
  const from = accounts.wire.length;
  await runDestroy(await accounts.open(terminal), { confirm: undefined });
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  const said = terminal.lines.join('\n');
  expect(said).toContain('eph-local-000000000000-us-east-1 (');
  expect(said).toContain('eph-local (CREATE_COMPLETE)');
  expect(said).toContain('/eph/local/github-app-key');
  expect(said).toContain('eph-local-TablesEnvironments');
  expect(said).toContain('make destroy CONFIRM=local removes all of this');
});

test("another deployment's id is no confirmation", async () => {
  const from = accounts.wire.length;
  await expect(runDestroy(await accounts.open(), { confirm: 'shop' })).rejects.toThrow(
    'CONFIRM is shop, but this deployment is local. Nothing was removed.',
  );
  expect(changes(accounts.wire.slice(from))).toEqual([]);
});

test('without a token for Cloudflare nothing is removed while AWS still has something of the deployment', async () => {
  const deployment = await accounts.open();
  const token = (await deployment.parameters.read(deployment.names.cloudflareDeployToken)) ?? '';
  await deployment.parameters.remove([deployment.names.cloudflareDeployToken]);
  const destroyed = runDestroy(await accounts.open(), { confirm: 'local' });
  await expect(destroyed).rejects.toThrow('There is no token for Cloudflare');
  await deployment.parameters.writeSecret(deployment.names.cloudflareDeployToken, token);
  expect(await runPlan(await accounts.open())).toBe(false);
});

test('it ends between two steps when it is interrupted, and the next run goes on, stack or no stack', async () => {
  const { aws } = await accounts.open();
  const Bucket = accounts.plane.aws.stack.buckets[0]?.name;
  for (const Key of ['hosts/left/over.json', 'hosts/left/a b+c%20', 'hosts/left/bell\u0007']) {
    await aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{}' }));
  }
  // This belongs to another deployment, whose id has the same beginning.
  const foreign = '/eph/local-two/name-key';
  const { parameters } = await accounts.openAsRoot();
  await parameters.writeSecret(foreign, 'theirs');

  const stopping = new AbortController();
  const terminal = scriptedTerminal();
  const interrupted = runDestroy(
    await accounts.open({
      ...terminal,
      mark(outcome, text, fix) {
        terminal.mark(outcome, text, fix);
        if (text.startsWith('CloudFormation stack')) stopping.abort();
      },
    }),
    { confirm: 'local', stop: stopping.signal },
  );
  await expect(interrupted).rejects.toThrow(Interrupted);
  await expect(interrupted).rejects.toThrow(/^Stopped before/);
  expect(accounts.plane.aws.deployedTemplate()).toBeUndefined();

  const next = scriptedTerminal();
  await runDestroy(await accounts.open(next), { confirm: 'local' });
  expect(next.lines).toContain('done: Nothing with the mark of local is left.');
  expect(await parameters.list('/eph/')).toEqual([expect.objectContaining({ name: foreign })]);
});

test('a stack that could not be deleted, and whose user and functions are gone already, can be destroyed', async () => {
  const terminal = scriptedTerminal();
  const opened = await accounts.open(terminal);
  const outputs = async () => ({
    JobQueueUrl: '',
    MailboxBucketName: '',
    WorkerUserName: 'eph-local-WorkerGone',
    CleanupFunctionName: 'eph-local-CleanupGone',
  });
  const half = { ...opened, tools: { ...opened.tools, stack: { ...opened.tools.stack, outputs } } };
  expect(await workerKeyDestroyStep(half).list()).toEqual([]);
  expect(await closePreviews(half)).toBe(false);
  expect(terminal.lines.join('\n')).toContain('the function eph-local-CleanupGone is gone');
  await half.parameters.remove([half.names.paused]);
});

test('afterwards there is nothing to destroy, and a plan says that make setup comes first', async () => {
  const terminal = scriptedTerminal();
  const from = accounts.wire.length;
  await runDestroy(await accounts.open(terminal), { confirm: 'local' });
  expect(terminal.lines.join('\n')).toContain('Cloudflare is not looked at');
  expect(changes(accounts.wire.slice(from))).toEqual([]);
  expect(terminal.lines).toContain('done: Nothing with the mark of local is left.');
  await expect(runPlan(await accounts.open())).rejects.toMatchObject({
    name: 'OperatorError',
    fix: expect.stringContaining('make setup'),
  });
});
