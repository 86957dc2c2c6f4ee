import { describe, expect, it } from 'vitest';
import { REPORT_TRIES } from '#core/limits';
import { GithubError } from '../../local/github/github-error.ts';
import { createTestPlatform, Death } from '../fakes/create-test-platform.ts';
import { instanceOf, launchOf } from '../fakes/instance-of.ts';
import { createStory, hours, minutes, nothing, recover } from '../fakes/story.ts';

const subnetOf = (story: ReturnType<typeof createStory>, instanceId: string | undefined) =>
  story.platform.ec2.find(instanceId ?? '')?.subnet.id;

describe('a lack of capacity', () => {
  it('is reported on the pull request, queues the environment and has another subnet tried', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('subnet-a').add('subnet-b');
    const pull = story.openPullRequest();
    await platform.advance(1_000);
    expect((await story.state(pull)).phase).toBe('queued');
    expect(story.comment(pull)).toContain('AWS has no machine of this type free at the moment');
    expect(story.status(pull)).toBe('pending: Waiting for a machine');

    platform.ec2.knobs.noCapacityIn.delete('subnet-b');
    await platform.advance(minutes(10));
    const [instance] = (await story.whatExists()).instances;
    expect(subnetOf(story, instance)).toBe('subnet-b');
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('in the first subnet has the next one tried at once, and is not reported', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('subnet-a');
    const pull = story.openPullRequest();
    await platform.advance(1_000);
    const [instance] = (await story.whatExists()).instances;
    expect(subnetOf(story, instance)).toBe('subnet-b');
    expect(story.comment(pull)).toContain('Preview is being built');
  });

  it('for the first type in all subnets has the next type tried, in each subnet in turn', async () => {
    const story = createStory(
      createTestPlatform({ config: { DEFAULT_INSTANCE_TYPES: 't3.small, t3a.small' } }),
    );
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('t3.small').add('subnet-a');
    const pull = story.openPullRequest();
    await platform.advance(1_000);
    const state = await story.state(pull);
    expect(state.attempt).toBe(4);
    expect(launchOf(state)).toMatchObject({ subnetId: 'subnet-b', instanceType: 't3a.small' });
    expect(platform.ec2.find(instanceOf(state) ?? '')?.instanceType).toBe('t3a.small');
  });

  it('for a type that the free plan does not have has the next type tried at once', async () => {
    const story = createStory(
      createTestPlatform({ config: { DEFAULT_INSTANCE_TYPES: 't3a.small, t3.small' } }),
    );
    const { platform } = story;
    platform.ec2.knobs.notOnFreePlan.add('t3a.small');
    const pull = story.openPullRequest();
    await platform.advance(1_000);
    expect(launchOf(await story.state(pull))?.instanceType).toBe('t3.small');
    expect(story.comment(pull)).toContain('Preview is being built');
  });

  it('for every type on the free plan says who must act, and ends by itself after an upgrade', async () => {
    const story = createStory(createTestPlatform({ config: { DEFAULT_INSTANCE_TYPES: 't3a.small' } }));
    const { platform } = story;
    platform.ec2.knobs.notOnFreePlan.add('t3a.small');
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    expect((await story.state(pull)).phase).toBe('queued');
    expect(story.comment(pull)).toContain('The AWS account is on the free plan');

    platform.ec2.knobs.notOnFreePlan.clear();
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('that means that type and image do not fit fails the commit until another push', async () => {
    const story = createStory(
      createTestPlatform({ config: { DEFAULT_INSTANCE_TYPES: 't3a.small, t3.small' } }),
    );
    const { platform } = story;
    platform.ec2.faults.failNext('RunInstances', {
      code: 'InvalidParameterCombination',
      message:
        'Enhanced networking with the Elastic Network Adapter (ENA) is required for this instance type.',
    });
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    expect(story.status(pull)).toMatch(/^failure: AWS refuses this combination/);
  });

  it('for the type that the repository asks for has no other type tried', async () => {
    const story = createStory(
      createTestPlatform({ config: { DEFAULT_INSTANCE_TYPES: 't3.small, t3a.small' } }),
    );
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('m7i.large');
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'instance_type: m7i.large' } });
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('queued');
    expect((await story.whatExists()).instances).toEqual([]);
  });

  it('that is over has the next launch begin with the first type again', async () => {
    const config = { DEFAULT_INSTANCE_TYPES: 't3.small, t3a.small', TERMINATE_AFTER_SECONDS: '0' };
    const story = createStory(createTestPlatform({ config }));
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    expect(launchOf(await story.state(pull))?.instanceType).toBe('t3a.small');
    platform.ec2.knobs.noCapacityIn.clear();
    story.close(pull);
    await platform.advance(minutes(10));
    story.reopen(pull);
    await platform.advance(minutes(10));
    expect(launchOf(await story.state(pull))?.instanceType).toBe('t3.small');
  });

  it('has EC2 asked from time to time, also when it cannot be reported on GitHub', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    const slow = new GithubError(403, 'You have exceeded a secondary rate limit', {
      headers: { 'retry-after': '60' },
    });
    platform.github.faults.failNext('issues/create-comment', slow, 100);
    story.openPullRequest();
    await platform.advance(minutes(10));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances').length).toBeLessThanOrEqual(12);
    expect(
      platform.calls.filter((call) => call === 'github issues/create-comment').length,
    ).toBeLessThanOrEqual(11);
  });

  it('for a machine that sleeps keeps it with its disk, and starts it when there is capacity', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { instances } = await story.whatExists();
    story.close(pull);
    await platform.advance(minutes(10));
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    story.reopen(pull);
    await platform.advance(minutes(1));
    expect(await story.state(pull)).toMatchObject({
      phase: 'queued',
      host: { handle: { data: { instanceId: instances[0] } } },
    });
    expect(story.comment(pull)).toContain('AWS has no machine of this type free');

    platform.ec2.knobs.noCapacityIn.clear();
    await platform.advance(minutes(10));
    expect(await story.state(pull)).toMatchObject({
      phase: 'ready',
      host: { handle: { data: { instanceId: instances[0] } } },
    });
    expect((await story.whatExists()).instances).toEqual(instances);
  });

  it('for a machine that was switched off is not reported as retried once the pull request is a draft', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { instances } = await story.whatExists();
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    platform.ec2.stopInstances(instances);
    await platform.advance(hours(1));
    expect((await story.state(pull)).phase).toBe('queued');
    story.convertToDraft(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('destroying');
    expect(story.comment(pull)).not.toContain('Eph goes on trying');

    await platform.advance(hours(25));
    await platform.sweep('due');
    await platform.deliverAll();
    const { phase, retries } = await story.state(pull);
    expect({ phase, retries }).toEqual({ phase: 'declined', retries: {} });
    expect(story.comment(pull)).not.toContain('Eph goes on trying');
  });

  it('that comes from the account’s quota is reported with the quota', async () => {
    const story = createStory();
    story.platform.ec2.knobs.vcpuLimit = 1;
    const pull = story.openPullRequest();
    await story.platform.advance(1_000);
    expect(story.comment(pull)).toContain('L-1216C47A');
    expect(story.platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
  });

  it('does not delay a close', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    const pull = story.openPullRequest();
    await platform.advance(1_000);
    story.close(pull);
    await platform.advance(1_000);
    expect((await story.state(pull)).phase).toBe('destroyed');
    expect(story.comment(pull)).toContain('Preview removed');
  });
});

describe('an Arm machine', () => {
  it('is launched from its own image where eph.yaml says `arch: arm64`', async () => {
    const story = createStory();
    const { platform } = story;
    platform.operator.images.arm64 = 'ami-0a0a0a0a0a0a0a0a0';
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'arch: arm64' } });
    await platform.advance(1_000);
    expect(launchOf(await story.state(pull))).toMatchObject({
      instanceType: 't4g.small',
      imageId: 'ami-0a0a0a0a0a0a0a0a0',
    });
  });

  it('that this Eph has no image for fails the commit, with a sentence, until another push', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'arch: arm64' } });
    await platform.advance(minutes(10));
    expect(story.status(pull)).toMatch(/^failure: This Eph has no machine image for arch: arm64/);
    story.push(pull, { 'eph.yaml': '' });
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('a machine', () => {
  it('that EC2 does not know right after its launch is asked about again', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.staleReadMs = minutes(3);
    const pull = story.openPullRequest();
    await platform.deliverAll();
    await platform.ports.jobs.send({
      v: 1,
      kind: 'wake',
      delivery: 'd',
      environment: story.key(pull),
      cause: 'test',
      suspect: true,
    });
    await platform.advance(minutes(10));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('that never reports is replaced once, then the commit fails and no machine is left to pay for', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'silent';
    const pull = story.openPullRequest();
    await platform.advance(minutes(7));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(2);
    expect((await story.whatExists()).instances).toHaveLength(1);

    await platform.advance(minutes(20));
    expect(story.status(pull)).toMatch(/^failure: 2 machines were started and none of them reported/);
    const { instances, hostRows, mailboxes } = await story.whatExists();
    expect({ instances, hostRows, mailboxes }).toEqual({ instances: [], hostRows: [], mailboxes: [] });
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(2);
  });

  it('that never reported is replaced at the next push', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'silent';
    const pull = story.openPullRequest();
    await platform.advance(minutes(30));
    platform.hosts.habits.build = 'ready';
    const sha = story.push(pull);
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('that never reported leaves as many tries for the next push', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'silent';
    const pull = story.openPullRequest();
    await platform.advance(minutes(30));
    story.push(pull);
    await platform.advance(minutes(30));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(4);
    expect(story.status(pull)).toMatch(/^failure: 2 machines were started and none of them reported/);
  });

  it('whose reports cannot be read is terminated all the same when its pull request is closed', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    platform.mailbox.unreadable = true;
    story.close(pull);
    await platform.advance(minutes(1));
    expect((await story.whatExists()).instances).toEqual([]);
  });

  it('that ends its build after the limit serves it, and Eph reports what serves', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.buildMs = minutes(50);
    const pull = story.openPullRequest();
    await platform.advance(minutes(45));
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect(story.status(pull)).toMatch(/took longer than 40 minutes/);
    await platform.advance(minutes(10));
    expect(platform.hosts.serving(instanceOf(await story.state(pull)) ?? '')?.sha).toBe(pull.headSha);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect(story.comment(pull)).toContain('Preview is ready');
  });

  it('that builds for longer than the limit fails the commit, and builds the next push', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    for (let quarter = 0; quarter < 4; quarter += 1) {
      await platform.advance(minutes(15));
      await platform.sweep('due');
    }
    await platform.advance(1_000);
    expect(story.status(pull)).toMatch(
      /^failure: Pulling, building and starting took longer than 40 minutes/,
    );
    platform.hosts.habits.build = 'ready';
    const sha = story.push(pull);
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('that somebody terminated is found and replaced by the garbage collection, and nothing of it is left', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const [first = ''] = (await story.whatExists()).instances;
    platform.ec2.terminateInstances([first]);
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    const after = await story.whatExists();
    expect(after.instances).toHaveLength(1);
    expect(after.instances).not.toContain(first);
    expect(after.hostRows).toEqual(after.instances);
    expect(after.mailboxes).toEqual(after.instances);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });
});

describe('GitHub', () => {
  it('that asks to slow down is not called for as long as it said, whatever messages come', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const slow = new GithubError(403, 'You have exceeded a secondary rate limit', {
      headers: { 'retry-after': '120' },
    });
    platform.github.faults.failNext('pulls/get', slow);
    const sha = story.push(pull);
    await platform.advance(1_000);
    platform.calls.length = 0;
    story.redeliver(pull);
    await platform.advance(minutes(1.5));
    expect(platform.calls.filter((call) => call.startsWith('github '))).toEqual([]);
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('that asks to slow down does not keep what garbage collection misses from being made later', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const before = await story.whatExists();
    const [tunnel] = platform.cloudflare.machine.listTunnels({ is_deleted: 'false' }).items;
    const slow = new GithubError(403, 'You have exceeded a secondary rate limit', {
      headers: { 'retry-after': '120' },
    });
    platform.github.faults.failNext('pulls/get', slow);
    story.redeliver(pull);
    await platform.deliverAll();
    await platform.tunnels.deleteTunnel(tunnel?.id ?? '');
    await platform.sweep('compare');
    await platform.advance(minutes(1));
    expect((await story.whatExists()).tunnels).toEqual([]);
    await platform.advance(minutes(5));
    const after = await story.whatExists();
    expect(after.tunnels).toHaveLength(1);
    expect({ ...after, tunnels: [] }).toEqual({ ...before, tunnels: [] });
  });

  it('that asks to slow down at the first call is not called either when Eph is resumed', async () => {
    const story = createStory();
    const { platform } = story;
    const headers = { 'retry-after': '120' };
    const slow = new GithubError(403, 'You have exceeded a secondary rate limit', { headers });
    platform.github.faults.failNext('pulls/get', slow);
    const pull = story.openPullRequest();
    await platform.deliverAll();
    platform.calls.length = 0;
    await platform.sweep('wake-all');
    await platform.advance(minutes(1));
    expect(platform.calls.filter((call) => call.startsWith('github '))).toEqual([]);
    expect(platform.logs.filter(({ level }) => level === 'error')).toEqual([]);
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('that asks to slow down at the first call, while Eph is paused, is not called in a loop', async () => {
    const story = createStory();
    const { platform } = story;
    const headers = { 'retry-after': '120' };
    const slow = new GithubError(403, 'You have exceeded a secondary rate limit', { headers });
    platform.github.faults.failNext('pulls/get', slow);
    const pull = story.openPullRequest();
    await platform.deliverAll();
    platform.operator.paused = 'everything';
    await platform.sweep('wake-all');
    await platform.advance(minutes(1));
    expect(platform.logs.filter(({ level }) => level === 'error')).toEqual([]);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('queued');
  });

  it('that asks to slow down, while Eph is paused, does not make what messages knew be lost', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const headers = { 'retry-after': '120' };
    platform.github.faults.failNext('pulls/get', new GithubError(403, 'a secondary rate limit', { headers }));
    story.redeliver(pull);
    await platform.deliverAll();
    // It is public, so that only a check with a new token finds that it was taken out.
    platform.github.installations.removeRepositories(story.installation, story.author, [story.repository]);
    await platform.deliverAll();
    platform.operator.paused = 'everything';
    await platform.sweep('wake-all');
    await platform.advance(minutes(1));
    expect((await story.row(pull)).hints).toContain('access');
    await platform.advance(minutes(5));
    expect((await story.state(pull)).away?.why).toBe('no-access');
  });

  it('that does not answer for a while does not keep the environment from starting', async () => {
    const story = createStory();
    const { platform } = story;
    platform.github.faults.failNext('*', new GithubError(502, 'Bad Gateway'), 6);
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('that refuses reports (no right to comment, to deploy) gets one, and the environment runs', async () => {
    const story = createStory();
    const { platform, installation } = story;
    installation.permissions = { metadata: 'read', contents: 'read' };
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    story.push(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).serving?.sha).toBe(pull.headSha);
    expect(platform.logs.filter(({ message }) => message.includes('too many steps'))).toEqual([]);
    expect(platform.calls.filter((call) => /comment$/.test(call)).length).toBeLessThan(10);
  });
});

describe('a run that dies', () => {
  it('right after GitHub made a deployment leaves one that a close finds and ends', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      const done = await perform();
      if (call !== 'github repos/create-deployment') return done;
      platform.watch = undefined;
      throw new Death();
    };
    await platform.deliverAll();
    expect((await story.whatExists()).deployments).toHaveLength(1);
    story.close(pull);
    await recover(platform);
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('right after GitHub made a deployment leaves one that is made active, and no other is made', async () => {
    const story = createStory();
    const { platform, repository } = story;
    story.openPullRequest();
    platform.watch = async (call, perform) => {
      const done = await perform();
      if (call !== 'github repos/create-deployment') return done;
      platform.watch = undefined;
      throw new Death();
    };
    await platform.deliverAll();
    await recover(platform);
    expect(repository.deployments).toHaveLength(1);
    expect(repository.deployments[0]?.statuses.at(-1)?.state).toBe('success');
  });
});

describe('a report that GitHub refuses for good', () => {
  const refusals = (story: ReturnType<typeof createStory>) =>
    story.platform.calls.filter((call) =>
      /^github (?:issues\/(?:create|update)-comment|repos\/create-(?:commit-status|deployment|deployment-status))$/.test(
        call,
      ),
    );

  it('is tried a few times, and then never again until another change', async () => {
    const story = createStory();
    const { platform, installation } = story;
    installation.permissions = { metadata: 'read', contents: 'read' };
    story.openPullRequest();
    await platform.advance(hours(1));
    const tries = refusals(story).length;
    const deployments = refusals(story).filter((call) => call === 'github repos/create-deployment');
    expect(deployments).toHaveLength(REPORT_TRIES);
    expect(tries).toBeLessThanOrEqual(4 * REPORT_TRIES);
    for (let hour = 0; hour < 6; hour += 1) {
      await platform.sweep('due');
      await platform.sweep('compare');
      await platform.advance(hours(1));
    }
    expect(refusals(story)).toHaveLength(tries);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('does not keep the other two from being sent', async () => {
    const story = createStory();
    const { platform } = story;
    const forbidden = new GithubError(403, 'Resource not accessible by integration');
    platform.github.faults.failNext('repos/create-deployment', forbidden, Number.POSITIVE_INFINITY);
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect(story.comment(pull)).toContain('Preview is ready');
    expect((await story.whatExists()).deployments).toEqual([]);
  });

  it('is given up, but not one in an outage, which is retried for as long as it lasts', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    const outage = new GithubError(502, 'Bad Gateway');
    platform.github.faults.failNext('repos/create-commit-status', outage, REPORT_TRIES + 2);
    for (let quarter = 0; quarter < 8; quarter += 1) {
      await platform.advance(minutes(15));
      await platform.sweep('due');
    }
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('is not tried again where the repository is archived', async () => {
    const story = createStory();
    const { platform, repository } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    repository.archived = true;
    platform.calls.length = 0;
    await platform.sweep('compare');
    await platform.advance(hours(1));
    expect(await story.whatExists()).toMatchObject({ instances: [], tunnels: [], records: [] });
    expect(refusals(story).toSorted()).toEqual([
      'github issues/update-comment',
      'github repos/create-commit-status',
      'github repos/create-deployment-status',
    ]);
  });
});

describe('a launch whose answer was lost', () => {
  async function lost(story: ReturnType<typeof createStory>) {
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      const done = await perform();
      if (call !== 'ec2 RunInstances') return done;
      platform.watch = undefined;
      throw new Death();
    };
    await platform.deliverAll();
    const [instance = ''] = (await story.whatExists()).instances;
    return { pull, instance };
  }

  it('and whose machine is gone meanwhile is followed by another launch', async () => {
    const story = createStory();
    const { pull, instance } = await lost(story);
    story.platform.ec2.terminateInstances([instance]);
    // This is as soon as the message is visible again, not after the time in which a machine may boot.
    await story.platform.advance(minutes(9));
    const { instances, hostRows } = await story.whatExists();
    expect(instances).toHaveLength(1);
    expect(instances).not.toContain(instance);
    expect(hostRows).toEqual(instances);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('and whose token EC2 takes for another launch’s is found by that token', async () => {
    const story = createStory();
    const { pull, instance } = await lost(story);
    story.platform.ec2.faults.failNext('RunInstances', 'IdempotentParameterMismatch');
    await recover(story.platform);
    expect((await story.whatExists()).instances).toEqual([instance]);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it.each([
    ['for good', '0'],
    ['with a disk that is kept for a day', '86400'],
  ])('closed %s, and that launched nothing, is given up after a while', async (_how, seconds) => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: seconds } }));
    const { platform } = story;
    platform.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      platform.watch = undefined;
      throw new Death();
    };
    const pull = story.openPullRequest();
    await platform.deliverAll();
    story.close(pull);
    await platform.advance(minutes(3));
    const tokens = () => platform.calls.filter((call) => call === 'ec2 DescribeInstances').length;
    expect(tokens()).toBeGreaterThan(0);
    await recover(platform);
    expect(await story.whatExists()).toEqual(nothing);
    expect((await story.state(pull)).phase).toBe('destroyed');
    const asked = tokens();
    await recover(platform);
    expect(tokens()).toBe(asked);
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
  });
});

describe('a wrong eph.yaml', () => {
  it('is reported with its line, costs no machine, and is tried again at the next push', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'compse: compose.yaml\n' } });
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain('line 1');
    expect(story.status(pull)).toMatch(/^failure: eph.yaml cannot be used/);
    expect(await story.whatExists()).toMatchObject({ instances: [], tunnels: [], records: [] });

    story.redeliver(pull);
    await platform.advance(minutes(1));
    expect(platform.calls).not.toContain('ec2 RunInstances');

    story.push(pull, { 'eph.yaml': 'compose: compose.yaml\n' });
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('with many problems is reported with the first eight, in the order of their lines', async () => {
    const story = createStory();
    const wrong = Array.from({ length: 10 }, (_, n) => `nothing${n}: x\n`).join('');
    const pull = story.openPullRequest({ files: { 'eph.yaml': wrong } });
    await story.platform.advance(minutes(1));
    const lines = story.comment(pull)?.match(/line \d+: /g);
    expect(lines).toEqual(Array.from({ length: 8 }, (_, n) => `line ${n + 1}: `));
  });

  it('of a push leaves the version before serving', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const first = pull.headSha.slice(0, 7);
    story.push(pull, { 'eph.yaml': 'primary: [1]\n' });
    await platform.advance(minutes(5));
    expect(story.comment(pull)).toContain(`still serves \`${first}\``);
    expect((await story.whatExists()).instances).toHaveLength(1);
    story.close(pull);
    await platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('is not reported with an address that serves when a close that died has removed it', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.watch = async (_call, perform) => {
      const answer = await perform();
      if ((await story.whatExists()).records.length > 0) return answer;
      platform.watch = undefined;
      throw new Death();
    };
    story.close(pull);
    await platform.deliverAll();
    story.reopen(pull);
    story.push(pull, { 'eph.yaml': 'primary: [1]\n' });
    await platform.advance(minutes(10));
    expect((await story.whatExists()).records).toEqual([]);
    expect(story.comment(pull)).toContain('eph.yaml cannot be used');
    expect(story.comment(pull)).not.toContain('still serves');
    expect(story.comment(pull)).not.toContain('https://');
  });
});
