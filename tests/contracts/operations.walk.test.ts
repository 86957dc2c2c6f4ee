import { CreateTableCommand, type CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ORPHAN_SIGHTING } from '#core/limits';
import { defaultPreviewConfig } from '#core/preview-config';
import { dynamoEnvironments } from '../../lambdas/adapters/dynamo-environments.ts';
import { dynamoRecords } from '../../lambdas/adapters/dynamo-records.ts';
import { dynamoTable } from '../../lambdas/adapters/dynamo-table.ts';
import { sqsJobs } from '../../lambdas/adapters/sqs-jobs.ts';
import type { Environments, Jobs, Records } from '../../lambdas/ports.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import { ec2Machines } from '../../lambdas/providers/ec2/ec2-machines.ts';
import type { Hosts, Machines, Mailbox } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { hostRows } from '../../lambdas/providers/ec2/host-rows.ts';
import { hostKey } from '../../lambdas/providers/ec2/host-writes.ts';
import type { MailboxSpec } from '../../lambdas/providers/ec2/mailbox.ts';
import { s3Mailbox } from '../../lambdas/providers/ec2/s3-mailbox.ts';
import type { GithubWire } from '../../lambdas/providers/github/github-wire.ts';
import { createEc2 } from '../../local/aws/ec2.ts';
import { describedPath } from '../../local/github/described-path.ts';
import { createOpenApiValidator } from '../../local/openapi.ts';
import type { WireEntry } from '../../local/wire-log.ts';
import { fakeGithubWire } from '../fakes/fake-github-wire.ts';
import { fakeMachines } from '../fakes/fake-machines.ts';
import { fakeTunnels } from '../fakes/fake-tunnels.ts';
import { holder, leaving } from '../fakes/holder.ts';
import { memoryEnvironments } from '../fakes/memory-environments.ts';
import { memoryHosts } from '../fakes/memory-hosts.ts';
import { memoryMailbox } from '../fakes/memory-mailbox.ts';
import { memoryQueue } from '../fakes/memory-queue.ts';
import { memoryRecords } from '../fakes/memory-records.ts';
import { memoryItems } from '../fakes/memory-table.ts';
import { readyState, sampleRequirements } from '../fakes/sample-state.ts';
import type { Wire } from '../fakes/wire.ts';
import { tableDefinitions } from '../lambdas/contracts/table-definitions.ts';
import { type Emulated, startEc2Wire, startEmulated } from '../lambdas/contracts/wire-servers.ts';
import { readDescription } from './find-breaches.ts';
import { type Adapters, startAdapters } from './start-adapters.ts';

/**
 * A process may die between any two calls, and a simulation lets it die between those that a fake makes. So a fake
 * makes the calls that the adapter makes: for the same call to the port, the same operations in the same order.
 */
let clouds: Adapters;
let aws: Emulated;
let faked: string[];

beforeAll(async () => {
  clouds = await startAdapters(Date.now);
  aws = await startEmulated();
  for (const definition of tableDefinitions()) {
    await aws.dynamodb.send(new CreateTableCommand(definition as CreateTableCommandInput));
  }
  await aws.s3.send(new CreateBucketCommand({ Bucket: 'mailbox' }));
});
afterAll(async () => {
  await clouds?.close();
  await aws?.close();
});
beforeEach(() => {
  faked = [];
});

/** The name of a table's call, here without the table and without what is written. */
const noting: Wire = async ({ name }, effect) => {
  faked.push(name.split(' ').slice(0, 2).join(' '));
  return effect();
};

const github = createOpenApiValidator(readDescription('github-openapi.json'), {
  errorSchema: '#/components/schemas/basic-error',
});

/** Cloudflare's paths, and the state machine's names for them. */
const cloudflareOperations: readonly (readonly [RegExp, string])[] = [
  [/^POST .*\/cfd_tunnel$/, 'createTunnel'],
  [/^GET .*\/cfd_tunnel$/, 'listTunnels'],
  [/^PUT .*\/configurations$/, 'putConfiguration'],
  [/^GET .*\/token$/, 'tunnelToken'],
  [/^PATCH .*\/cfd_tunnel\/[^/]+$/, 'editTunnel'],
  [/^DELETE .*\/connections$/, 'deleteConnections'],
  [/^DELETE .*\/cfd_tunnel\/[^/]+$/, 'deleteTunnel'],
  [/^POST .*\/dns_records$/, 'createRecord'],
  [/^GET .*\/dns_records$/, 'listRecords'],
  [/^PUT .*\/dns_records\/[^/]+$/, 'updateRecord'],
  [/^DELETE .*\/dns_records\/[^/]+$/, 'deleteRecord'],
];

/** The calls that crossed the wire; a redirect of GitHub to another address is a part of its call. */
function operationsIn(entries: readonly WireEntry[]): string[] {
  return entries
    .filter(({ status }) => ![301, 307].includes(status))
    .map(({ peer, method, path }) => {
      if (peer === 'github') return `github ${github.operation(method, describedPath(path).path)?.id}`;
      const known = cloudflareOperations.find(([pattern]) => pattern.test(`${method} ${path}`));
      return `cloudflare ${known?.[1] ?? `${method} ${path}`}`;
    });
}

/** Makes the same calls to both, independently of each other: `who` makes their names different. */
async function compared<P>(
  real: P,
  fake: P,
  ask: (port: P, who: string) => Promise<unknown>,
  heard: () => string[],
): Promise<void> {
  await ask(fake, 'fake');
  const fakes = faked;
  const reals = await (async () => {
    const from = heard().length;
    await ask(real, 'real');
    return heard().slice(from);
  })();
  expect(reals.length).toBeGreaterThan(0);
  expect(fakes).toEqual(reals);
}

const onWire = () => operationsIn(clouds.wire);

describe('the fake of Cloudflare makes the adapter’s calls', () => {
  it('when a preview comes and goes, twice, and when its resources are there or gone already', async () => {
    const { machine, faults } = { machine: clouds.cloudflare.cloudflare, faults: clouds.cloudflare.faults };
    const fake = fakeTunnels({ machine, faults }, 'test', noting);
    await compared<Tunnels>(
      clouds.tunnels,
      fake,
      async (tunnels, who) => {
        const name = `eph-test-${who === 'fake' ? 1 : 2}-1-0`;
        const hostname = `${who}-pr.eph.test`;
        await tunnels.findTunnel(name);
        const { id } = await tunnels.ensureTunnel(name);
        await tunnels.ensureTunnel(name);
        await tunnels.findTunnel(name);
        await tunnels.configure(id);
        await tunnels.token(id);
        await tunnels.findRecord(hostname, '1#1');
        const record = await tunnels.ensureRecord(hostname, id, '1#1');
        await tunnels.ensureRecord(hostname, id, '1#1');
        const other = await tunnels.ensureTunnel(`${name}1`);
        await tunnels.ensureRecord(hostname, other.id, '1#1');
        await tunnels.findRecord(hostname, '1#1');
        await tunnels.listTunnels();
        await tunnels.listRecords();
        for (let twice = 0; twice < 2; twice += 1) {
          await tunnels.deleteRecord(record.id);
          await tunnels.deleteTunnel(id);
          await tunnels.deleteTunnel(other.id);
        }
        await tunnels.listTunnels();
        await tunnels.listRecords();
      },
      onWire,
    );
  });
});

describe('the fake of GitHub makes the adapter’s calls', () => {
  const fakeOf = (sha: string) =>
    fakeGithubWire(clouds.github.github, {
      now: Date.now,
      files: (commit) => (commit === sha ? { 'eph.yaml': 'primary: web\n' } : {}),
    })(noting);

  it('when a pull request is read, reported on, and reported on again', async () => {
    const scenes = {
      fake: await clouds.openPullRequest('ops-a'),
      real: await clouds.openPullRequest('ops-b'),
    };
    await compared<GithubWire>(
      clouds.pullRequests,
      fakeOf(scenes.fake.sha),
      async (port, who) => {
        const { ref, pull, sha } = who === 'fake' ? scenes.fake : scenes.real;
        const question = { repositoryId: ref.repositoryId, number: pull.number, said: ref };
        await port.read({ ...question, confirmed: undefined, freshly: false });
        await port.read({ ...question, confirmed: ref, freshly: true });
        await port.read({ ...question, number: 999, confirmed: ref, freshly: false });
        await port.readRoot(ref, sha);
        await port.readFile(ref, sha, 'eph.yaml');
        await port.archiveUrl(ref, sha);
        await port.checkoutToken(ref);
        const tell = (commentId: number | undefined, mayCreate = true) =>
          port.upsertComment(ref, pull.number, {
            commentId,
            marker: '<!-- m -->',
            body: '<!-- m --> x',
            mayCreate,
          });
        const { id } = await tell(undefined);
        await tell(undefined);
        await tell(id);
        pull.comments = [];
        await tell(id, false);
        await tell(id);
        await port.isInMergeQueue(ref, sha);
        await port.openPullsOf(ref, sha);
        await port.setStatus(ref, sha, { state: 'pending', description: 'x' });
        await port.readComment(ref, id);
        await port.findComments(ref, pull.number, '<!-- m -->');
        await port.deleteComment(ref, id);
        await port.readStatus(ref, sha);
        await port.findDeployments(ref, sha, 'preview');
        const deployment = await port.createDeployment(ref, sha, 'preview', 'eph:test:1#1');
        await port.readDeploymentState(ref, deployment.id);
        await port.setDeploymentStatus(ref, deployment.id, { state: 'success', description: 'x' });
        await port.setDeploymentStatus(ref, 1, { state: 'success', description: 'x' }).catch(() => undefined);
        await port.deliveries(undefined);
      },
      onWire,
    );
  });

  it('when the App has lost a repository, and must prove it', async () => {
    const scenes = {
      fake: await clouds.openPullRequest('lost-a'),
      real: await clouds.openPullRequest('lost-b'),
    };
    await compared<GithubWire>(
      clouds.pullRequests,
      fakeOf(scenes.fake.sha),
      async (port, who) => {
        const { ref, pull, sha } = who === 'fake' ? scenes.fake : scenes.real;
        const nobodys = { ...ref, repositoryId: 1, name: 'nowhere' };
        const question = { repositoryId: 1, number: pull.number, said: nobodys };
        await port.read({ ...question, confirmed: nobodys, freshly: true });
        await port.read({ ...question, confirmed: undefined, freshly: false });
        await port.setStatus(nobodys, sha, { state: 'pending', description: 'x' }).catch(() => undefined);
      },
      onWire,
    );
  });
});

describe('the fake of EC2 makes the adapter’s calls', () => {
  it('when a machine is launched, searched, stopped, started and terminated, and when it is gone', async () => {
    let ids = 0;
    const subnetIds = ['subnet-a'];
    const ec2 = createEc2({
      now: () => 0,
      newId: () => {
        ids += 1;
        return ids.toString(16).padStart(17, '0');
      },
      subnets: [{ id: 'subnet-a', zone: 'us-east-1a', vpcId: 'vpc', publicIp: true }],
      launchTemplates: [
        { id: 'lt-1', name: 'hosts', defaultVersion: 1, versions: [{ version: 1, data: {} }] },
      ],
      image: (id) => id,
    });
    const wire = await startEc2Wire(ec2);
    const image = async () => 'ami-0e0e0e0e0e0e0e0e0';
    const settings = { deploymentId: 'test', subnetIds, launchTemplateId: 'lt-1', image };
    try {
      await compared<Machines>(
        ec2Machines(wire.client, { ...settings, launchTemplateVersion: '1' }),
        fakeMachines(ec2, settings, noting),
        async (machines, who) => {
          const intent = {
            ...(await machines.launchParameters(1, sampleRequirements)),
            clientToken: who,
            userData: '',
          };
          const { instanceId } = await machines.launch(intent, '1#1', 1);
          await machines.findByToken(who);
          await machines.describe(instanceId);
          await machines.list();
          await machines.stop(instanceId);
          await machines.start(instanceId);
          await machines.terminate(instanceId);
          await machines.stop(instanceId);
          await machines.describe('i-0fffffffffffffff0');
          await machines.launch(intent, '1#1', 1).catch(() => undefined);
        },
        () => wire.calls,
      );
    } finally {
      await wire.close();
    }
  });
});

describe('the fakes of tables, bucket and queue make the adapters’ calls', () => {
  it('for rows', async () => {
    const source = { access: '9', owner: 'acme', name: 'shop', delivery: 'd' };
    await compared<Environments>(
      dynamoEnvironments(aws.dynamodb, 'environments'),
      memoryEnvironments(memoryItems(), noting),
      async (rows) => {
        await rows.claim('1#1', source, { id: 'a', until: 75 }, 0);
        await rows.claim('1#1', source, { id: 'b', until: 75 }, 0);
        await rows.wake('1#1', undefined, 0);
        await rows.save('1#1', holder('a'), readyState());
        await rows.read('1#1');
        await rows.release('1#1', holder('a'), leaving(2, readyState(), 5));
        await rows.claimIfDue('1#1', { id: 'c', until: 80 }, 6);
        await rows.due(100, 10);
        await rows.ofRepository(1);
        await rows.ofAccess('9');
        await rows.all();
      },
      () => aws.calls,
    );
  });

  it('for builds, events and hosts', async () => {
    const tables = { builds: 'builds', events: 'events' };
    let ids = 0;
    const newId = () => {
      ids += 1;
      return String(ids);
    };
    await compared<Records & Hosts>(
      {
        ...dynamoRecords(aws.dynamodb, tables, { now: () => 1_000, newId }),
        ...hostRows(dynamoTable(aws.dynamodb, 'hosts', hostKey), () => 1_000),
      },
      { ...memoryRecords().over(noting), ...memoryHosts().process()(noting) },
      async (records) => {
        await records.admitReport('i-1', 0);
        await records.putHost('i-1', '1#1', 0);
        for (let report = 0; report < 23; report += 1) await records.admitReport('i-1', 10);
        await records.holdReports('i-1', 500);
        await records.admitReport('i-1', 20);
        await records.environmentOfHost('i-1');
        await records.hosts();
        await records.forgetHost('i-1');
        await records.beginBuild({
          environment: '1#1',
          generation: 1,
          sha: 'a',
          delivery: 'd',
          startedAt: 1,
        });
        await records.endBuild('1#1', 1, { state: 'ready', finishedAt: 2 });
        await records.putEvents('1#1', 'd', []);
        await records.putEvents('1#1', 'd', [{ at: 1, cause: 'c', step: 's', outcome: 'o', millis: 0 }]);
        await records.sightOrphan('tunnel', 't', 5);
        await records.sightOrphan('tunnel', 't', 6 + ORPHAN_SIGHTING);
        await records.forgetOrphan('tunnel', 't');
        await records.sightLostAccess('7', 5);
        await records.forgetLostAccess('7');
      },
      () => aws.calls,
    );
  });

  it('for mailboxes', async () => {
    const role = 'AROATESTHOST';
    const nobody = () => undefined;
    const memory = memoryMailbox({ roleId: role, onWrite: nobody, onReport: nobody });
    await compared<Mailbox>(
      s3Mailbox(aws.s3, 'mailbox', role),
      memory.over(noting),
      async (box) => {
        const id = 'i-00000000000000001';
        await box.clear(id);
        const spec: MailboxSpec = {
          v: 1,
          generation: 1,
          revision: 1,
          delivery: 'd',
          environment: '1#1',
          repository: { owner: 'acme', name: 'shop' },
          number: 1,
          branch: 'b',
          source: { kind: 'archive', sha: 'a'.repeat(40), url: 'https://x.example.com' },
          config: defaultPreviewConfig,
          hostname: 'x',
          urlTemplate: 'https://{host}',
          tunnelToken: 't',
          secrets: {},
          trusted: true,
          idleStopSeconds: 60,
        };
        const tag = await box.writeSpec(id, spec, undefined);
        await box.writeSpec(id, { ...spec, generation: 2 }, tag);
        await box.writeSpec(id, { ...spec, generation: 3 }, tag);
        await box.progress(id);
        await box.result(id);
        await box.list();
        await box.clear(id);
      },
      () => aws.calls,
    );
  });

  it('for jobs', async () => {
    const urlOf = async (QueueName: string) =>
      (await aws.sqs.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? '';
    const real = sqsJobs(aws.sqs, await urlOf('jobs'), await urlOf('dead'));
    const memory = memoryQueue({ now: () => 0, newId: () => 'id' });
    await compared<Jobs>(
      real,
      memory.jobsOver(noting),
      async (jobs) => {
        const wake = { v: 1, kind: 'wake', delivery: 'd', environment: '1#1', cause: 'x' } as const;
        await jobs.send(wake, 5_000);
        await jobs.sendAll([]);
        await jobs.sendAll(Array.from({ length: 23 }, () => wake));
        await jobs.drainDeadLetters(async () => undefined);
      },
      () => aws.calls,
    );
  });
});
