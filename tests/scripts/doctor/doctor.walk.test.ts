import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UpdateAccessKeyCommand } from '@aws-sdk/client-iam';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newState } from '#core/environment';
import { STUCK_AFTER } from '#core/limits';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../../infra/deploy/require-outputs.ts';
import { listWorkerKeys } from '../../../infra/deploy/worker-key.ts';
import { dynamoEnvironments } from '../../../lambdas/adapters/dynamo-environments.ts';
import { runDeploy } from '../../../scripts/deploy/run-deploy.ts';
import { environmentsTable } from '../../../scripts/destroy/environments-table.ts';
import { runChecks } from '../../../scripts/doctor/run-checks.ts';
import { checksOf, runDoctor } from '../../../scripts/doctor/run-doctor.ts';
import { holder } from '../../fakes/holder.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { changes, type EmptyAccounts, startEmptyAccounts } from '../deploy/empty-accounts.ts';

let accounts: EmptyAccounts;
const mailed = { ALARM_EMAIL: 'ada@acme.dev' };

/** The doctor's output now, without the lines for checks that pass. */
async function troubles(change: (deployment: Deployment) => Deployment = (same) => same) {
  const terminal = scriptedTerminal();
  const wrong = await runChecks(terminal, checksOf(change(await accounts.open(terminal, mailed))));
  const lines = terminal.lines.filter((line) => /^(warning|failed|skipped| {2}→)/.test(line));
  return { wrong, lines, all: terminal.lines };
}

beforeAll(async () => {
  accounts = await startEmptyAccounts();
}, 120_000);
afterAll(() => accounts.close());

test('before a deploy it checks the accounts, and does not call wrong what does not exist yet', async () => {
  const { wrong, lines, all } = await troubles();
  expect(lines.filter((line) => !line.startsWith('skipped'))).toEqual([]);
  expect(wrong).toBe(0);
  expect(all).toContain('done: The zone eph.localhost is active, plan Free Website');
  expect(lines).toContain(
    'skipped: Dead letters: not checked, because the stack eph-local is not deployed yet (make deploy)',
  );
});

test('it names one problem for a token that Cloudflare refuses, and does not check what needs it', async () => {
  const terminal = scriptedTerminal();
  const opened = await accounts.open(terminal, { ...mailed, CLOUDFLARE_API_TOKEN: 'x'.repeat(40) });
  expect(await runChecks(terminal, checksOf(opened))).toBe(1);
  const ofCloudflare = terminal.lines.filter((line) => /Cloudflare|Signing in|Zero Trust|Zone:/.test(line));
  expect(ofCloudflare).toContain('failed: The Cloudflare token for deploying is not known to Cloudflare.');
  expect(ofCloudflare).toContain(
    'skipped: Signing in: not checked, because Cloudflare does not take the token for deploying',
  );
  expect(terminal.lines.filter((line) => line.startsWith('failed:'))).toHaveLength(1);
});

test('with an incomplete settings file it names what is missing, and still checks this machine', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'eph-doctor-'));
  const EPH_ENV_FILE = join(dir, 'half.env');
  await writeFile(EPH_ENV_FILE, 'DEPLOYMENT_ID=acme\nHOST_IMAGE=stock\n');
  const terminal = scriptedTerminal();
  expect(await runDoctor(terminal, { EPH_ENV_FILE })).toBe(1);
  const said = terminal.lines.join('\n');
  expect(said).toContain('PREVIEW_ZONE is not set');
  expect(said).toContain('  → make setup asks for what is missing');
  expect(said).toContain('done: Packer is not needed: HOST_IMAGE=stock');
  expect(said).toContain('The rest is not checked, because the settings are not complete.');
  await rm(dir, { recursive: true });
});

describe('of a deployment', () => {
  beforeAll(async () => {
    await runDeploy(await accounts.open(scriptedTerminal(), mailed), { assumeYes: true, smoke: undefined });
  }, 120_000);

  test('everything is fine, and the checks change nothing', async () => {
    const from = accounts.wire.length;
    const { wrong, lines, all } = await troubles();
    expect(lines).toEqual([]);
    expect(wrong).toBe(0);
    expect(all.at(-1)).toBe('\nNothing is wrong.');
    // RunInstances with DryRun.
    expect(changes(accounts.wire.slice(from)).filter((call) => call !== 'ec2 RunInstances')).toEqual([]);
    expect(accounts.plane.aws.ec2.describeInstances({}).instances).toEqual([]);
  });

  type Breakage = [
    what: string,
    breakIt: () => unknown,
    repair: () => unknown,
    outcome: 'failed' | 'warning',
    line: RegExp,
    fix: RegExp,
  ];
  const aws = () => accounts.plane.aws;
  const github = () => accounts.plane.github;
  const cloudflare = () => accounts.plane.cloudflare;
  const deployment = () => accounts.open(scriptedTerminal(), mailed);
  const parameter = async (name: 'paused' | 'image', value: string) => {
    const { parameters, names } = await deployment();
    await parameters.write(names[name], value);
  };
  const setKeyActive = async (active: boolean) => {
    const opened = await deployment();
    const { WorkerUserName } = await requireOutputs(opened);
    const [{ id: AccessKeyId } = { id: '' }] = await listWorkerKeys(opened, WorkerUserName ?? '');
    const Status = active ? 'Active' : 'Inactive';
    await opened.aws.iam.send(new UpdateAccessKeyCommand({ UserName: WorkerUserName, AccessKeyId, Status }));
  };
  /** Of the App; its installations have what they were installed with. */
  const grantStatuses = (level: 'read' | 'write') => {
    const { app } = github().github.state;
    app.permissions = { ...app.permissions, statuses: level };
  };
  const breakages: Breakage[] = [
    [
      'a quota of one machine',
      () => Object.assign(aws().ec2.knobs, { vcpuLimit: 2 }),
      () => Object.assign(aws().ec2.knobs, { vcpuLimit: 1152 }),
      'warning',
      /EC2 lets 2 vCPUs run at once here \(0 do\): 1 environment of t3\.small awake at a time\./,
      /servicequotas.*L-1216C47A/,
    ],
    [
      'a quota of none',
      () => Object.assign(aws().ec2.knobs, { vcpuLimit: 1 }),
      () => Object.assign(aws().ec2.knobs, { vcpuLimit: 1152 }),
      'failed',
      /EC2 lets 1 vCPUs run at once here/,
      /L-1216C47A/,
    ],
    [
      'less concurrency than the deployer takes',
      () => Object.assign(aws().lambdaAccount, { concurrentExecutions: 5 }),
      () => Object.assign(aws().lambdaAccount, { concurrentExecutions: 1000 }),
      'failed',
      /Lambda runs only 5 at once in this account, DEPLOYER_CONCURRENCY is 10/,
      /DEPLOYER_CONCURRENCY=5/,
    ],
    [
      'disks under a key of the company',
      () => Object.assign(aws().network.knobs, { ebsKey: 'arn:aws:kms:us-east-1:000000000000:key/1' }),
      () => Object.assign(aws().network.knobs, { ebsKey: 'alias/aws/ebs' }),
      'warning',
      /Disks are encrypted with a key of yours \(arn:aws:kms:us-east-1:000000000000:key\/1\)/,
      /kms:ViaService ec2\.us-east-1\.amazonaws\.com/,
    ],
    [
      'a Cloudflare account in which nobody has opened Workers',
      () => Object.assign(cloudflare().cloudflare.workersAccount, { subdomain: undefined }),
      () => Object.assign(cloudflare().cloudflare.workersAccount, { subdomain: 'acme' }),
      'warning',
      /Nobody has opened Workers in this account yet/,
      /workers-and-pages/,
    ],
    [
      'VPC Block Public Access',
      () => Object.assign(aws().network.knobs, { blockPublicAccess: 'block-ingress' }),
      () => Object.assign(aws().network.knobs, { blockPublicAccess: 'off' }),
      'failed',
      /VPC Block Public Access of this account is block-ingress/,
      /BLOCK_PUBLIC_ACCESS_EXCLUSION=true/,
    ],
    [
      'an instance type that the region lacks',
      () => aws().network.knobs.unknownTypes.add('t3a.small'),
      () => aws().network.knobs.unknownTypes.clear(),
      'warning',
      /us-east-1 does not have t3a\.small\./,
      /DEFAULT_INSTANCE_TYPES/,
    ],
    [
      'a subnet without a way out',
      () => aws().network.knobs.withoutWayOut.add(aws().stack.subnets[0]?.id ?? ''),
      () => aws().network.knobs.withoutWayOut.clear(),
      'warning',
      /No active route 0\.0\.0\.0\/0 is known for subnet-/,
      /route table/,
    ],
    [
      'the access key of the Worker switched off',
      () => setKeyActive(false),
      () => setKeyActive(true),
      'failed',
      /The Worker's access key AKIA\w+ is switched off/,
      /make rotate WHAT=worker-key/,
    ],
    [
      'a pause',
      () => parameter('paused', 'launches'),
      () => parameter('paused', 'no'),
      'warning',
      /^warning: Paused: no machine is launched/,
      /make resume/,
    ],
    [
      'a zone whose name servers are elsewhere',
      () => Object.assign(cloudflare().cloudflare.getZone(cloudflare().zoneId), { status: 'pending' }),
      () => Object.assign(cloudflare().cloudflare.getZone(cloudflare().zoneId), { status: 'active' }),
      'failed',
      /The zone eph\.localhost is pending/,
      /name these servers: ada\.ns\.eph\.localhost/,
    ],
    [
      'a webhook that goes somewhere else',
      () => github().setHookUrl('http://127.0.0.1:9/elsewhere'),
      async () => {
        const { tools, settings } = await deployment();
        github().setHookUrl(tools.worker.webhookUrl(settings.WEBHOOK_HOST));
      },
      'failed',
      /The App delivers to http:\/\/127\.0\.0\.1:9\/elsewhere instead of/,
      /make deploy/,
    ],
    [
      'a permission that the App lacks',
      () => grantStatuses('read'),
      () => grantStatuses('write'),
      'failed',
      /The App lacks .*statuses/i,
      /permissions/,
    ],
  ];

  test.each(breakages)('%s is found, and nothing else', async (_, breakIt, repair, outcome, line, fix) => {
    await breakIt();
    const { lines, wrong } = await troubles();
    await repair();
    const said = lines.filter((one) => !one.startsWith('  →'));
    expect(said.filter((one) => line.test(one))).toHaveLength(1);
    expect(said.find((one) => line.test(one))).toMatch(new RegExp(`^${outcome}: `));
    expect(lines.join('\n')).toMatch(fix);
    // A problem that a deploy would repair is also listed as its difference.
    const others = said.filter((one) => !line.test(one) && !one.includes('differs from what is deployed'));
    expect(others).toEqual([]);
    expect(wrong).toBe(outcome === 'failed' ? 1 : 0);
  });

  test('it finds an App of another owner than the settings name', async () => {
    const terminal = scriptedTerminal();
    const opened = await accounts.open(terminal, { ...mailed, GITHUB_OWNER: 'globex' });
    await runChecks(terminal, checksOf(opened));
    expect(terminal.lines).toContain('warning: GITHUB_OWNER is globex, but the App Eph belongs to acme.');
    expect(terminal.lines).toContain('  → GITHUB_OWNER=acme in the settings.');
  });

  test('it names one problem for an image that is gone from EC2, though launching fails with it', async () => {
    const { parameters, names } = await deployment();
    const before = await parameters.read(names.image);
    await parameter('image', 'ami-0123456789abcdef0');
    const { lines } = await troubles();
    await parameter('image', before ?? '');
    expect(lines).toContain(
      'failed: The machine image ami-0123456789abcdef0 (/eph/local/host-image) is gone from EC2.',
    );
    expect(lines).toContain('  → make ami-build');
    expect(lines.join('\n')).toContain('failed: EC2 would not launch a machine');
  });

  test('it calls an image of two months ago old', async () => {
    const later = Date.now() + 61 * 24 * 60 * 60 * 1000;
    const { lines } = await troubles((opened) => ({ ...opened, now: () => later }));
    expect(lines.join('\n')).toMatch(/warning: The machine image ami-\w+ is 61 days old/);
  });

  test('it reports a wrong clock by both vendors that saw it', async () => {
    const { lines } = await troubles((opened) => ({ ...opened, now: () => Date.now() + 20 * 60_000 }));
    const said = lines.join('\n');
    expect(said).toMatch(/failed: This machine's clock is 1\d{3} s ahead of AWS'/);
    expect(said).toContain('→ ');
    expect(said).toMatch(/clock is 1\d{3} s ahead of GitHub's/);
  });

  test('it names an environment that makes no progress as people know it', async () => {
    const opened = await accounts.openAsRoot();
    const table = await environmentsTable(opened);
    const rows = dynamoEnvironments(opened.aws.dynamodb, table ?? '');
    const long = Date.now() - STUCK_AFTER - 3_600_000;
    const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
    await rows.claim('7#42', source, { id: 'lease', until: long + 1 }, long);
    await rows.save('7#42', holder('lease'), { ...newState(long), phase: 'provisioning', phaseSince: long });
    const { lines } = await troubles();
    expect(lines.join('\n')).toMatch(/failed: acme\/shop#42 does not get on: provisioning since /);
    expect(lines.join('\n')).toContain('make logs PR=acme/shop#42 SINCE=6h');
  });

  test('it finds a Worker behind a sign-in, and one that does not answer', async () => {
    const at = (url: string) => (opened: Deployment) => ({
      ...opened,
      tools: { ...opened.tools, worker: { ...opened.tools.worker, webhookUrl: () => url } },
    });
    const { edgeUrl } = accounts.plane.cloudflare;
    const gone = await troubles(at('http://127.0.0.1:9/webhooks/github'));
    expect(gone.lines.join('\n')).toContain(
      'failed: The Worker does not answer at http://127.0.0.1:9/health',
    );
    const behind = await troubles(
      at(`${edgeUrl.replace('127.0.0.1', 'x-pr.eph.localhost')}/webhooks/github`),
    );
    expect(behind.lines.join('\n')).toMatch(
      /failed: (The Worker does not answer|http:.* leads away \(302\))/,
    );
  });

  test('it names one problem with AWS, not twenty, without working credentials', async () => {
    const opened = await accounts.open(scriptedTerminal(), { ...mailed, AWS_SECRET_ACCESS_KEY: 'not-it' });
    const terminal = scriptedTerminal();
    await runChecks(terminal, checksOf(opened));
    const failed = terminal.lines.filter((line) => line.startsWith('failed'));
    expect(failed).toEqual([expect.stringContaining('AWS does not accept these credentials')]);
    expect(terminal.lines).toContain('skipped: Dead letters: not checked, because AWS does not let us in');
  });

  test('it counts a dead letter, and says where to look', async () => {
    const opened = await accounts.openAsRoot();
    const { DeadLetterQueueUrl } = await requireOutputs(opened);
    await opened.aws.sqs.send(new SendMessageCommand({ QueueUrl: DeadLetterQueueUrl, MessageBody: '{}' }));
    const { lines } = await troubles();
    expect(lines).toContain('failed: 1 job could not be done, and lie in the dead-letter queue.');
    expect(lines.join('\n')).toContain('make logs SINCE=2h');
  });
});
