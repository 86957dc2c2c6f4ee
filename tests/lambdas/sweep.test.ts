import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { decodeJob } from '#core/job';
import { MAX_UNCONFIRMED_WOKEN, ORPHAN_CAP } from '#core/limits';
import { DELIVERY_PAGES_CAP, REDELIVERY_CAP } from '../../lambdas/providers/github/github-limits.ts';
import { CloudflareError } from '../../local/cloudflare/cloudflare-error.ts';
import { GithubError } from '../../local/github/github-error.ts';
import { createTestPlatform, ORIGIN, type TestPlatform } from '../fakes/create-test-platform.ts';
import { sampleRequirements } from '../fakes/sample-state.ts';
import { createStory, hours, minutes, nothing, whatExists } from '../fakes/story.ts';

async function launchFor(platform: TestPlatform, environment: string, token: string): Promise<string> {
  const { machines } = platform.aws;
  const launchParameters = await machines.launchParameters(1, sampleRequirements);
  const { instanceId } = await machines.launch(
    { ...launchParameters, clientToken: token, userData: '' },
    environment,
    1,
  );
  return instanceId;
}

/** Garbage collections with an hour between them, as on the schedule. */
async function compare(platform: TestPlatform, times: number): Promise<void> {
  for (let run = 0; run < times; run += 1) {
    await platform.sweep('compare');
    await platform.advance(hours(1));
  }
}

/** The causes in the queue for which environments are to be reconciled, without their own timers. */
function wakes({ queue }: TestPlatform): string[] {
  return queue.messages().flatMap(({ body }) => {
    const decoded = decodeJob(body);
    return decoded.ok && decoded.job.kind === 'wake' && !decoded.job.timer ? [decoded.job.cause] : [];
  });
}

describe('the hourly garbage collection', () => {
  it('removes an orphaned tunnel and record after two sightings, and stops their machine, removed a day later', async () => {
    const platform = createTestPlatform();
    const { tunnels } = platform;
    const { hosts } = platform.aws;
    const instanceId = await launchFor(platform, '7#7', 'lost');
    const { id } = await tunnels.ensureTunnel('eph-test-7-7-0');
    await tunnels.ensureRecord('lost-pr.eph.test', id, '7#7');
    await hosts.putHost(instanceId, '7#7', platform.clock.now());
    platform.mailbox.report(instanceId, 'progress', '{}');
    await platform.advance(minutes(30));

    await compare(platform, 1);
    const between = await whatExists(platform);
    expect(Object.values(between).map((things) => things.length)).toEqual([1, 1, 1, 1, 1, 0]);
    await compare(platform, 1);
    const machine = { instances: [instanceId], mailboxes: [instanceId], hostRows: [instanceId] };
    expect(await whatExists(platform)).toEqual({ ...nothing, ...machine });
    expect(platform.ec2.find(instanceId)?.state).toBe('stopped');
    await compare(platform, 22);
    expect((await whatExists(platform)).instances).toEqual([instanceId]);
    await compare(platform, 1);
    expect(await whatExists(platform)).toEqual(nothing);
  });

  it('does not count the sighting of an orphan that is younger than the grace', async () => {
    const platform = createTestPlatform();
    const instanceId = await launchFor(platform, '7#7', 'young');
    await platform.advance(minutes(9));
    await platform.sweep('compare');
    await platform.advance(minutes(50));
    await platform.sweep('compare');
    expect(platform.ec2.find(instanceId)?.state).toBe('running');
    await platform.advance(minutes(50));
    await platform.sweep('compare');
    expect(platform.ec2.find(instanceId)?.state).toBe('stopped');
  });

  it('does not count a sighting of long ago, after which the orphan was not seen', async () => {
    const platform = createTestPlatform();
    const { id } = await platform.tunnels.ensureTunnel('eph-test-7-7-0');
    await platform.advance(minutes(30));
    await compare(platform, 1);
    await platform.tunnels.deleteTunnel(id);
    await compare(platform, 5);
    platform.cloudflare.machine.createTunnel({ name: 'eph-test-7-7-0' });
    await platform.advance(minutes(30));
    await platform.sweep('compare');
    expect((await whatExists(platform)).tunnels).toHaveLength(1);
  });

  it('reports how many environments there are and which of them are stuck', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    const queued = story.openPullRequest();
    await platform.advance(minutes(61));
    await platform.sweep('compare');
    expect(platform.logs).toContainEqual({
      level: 'info',
      message: 'environments',
      total: 2,
      stuck: 1,
      stuckKeys: [story.key(queued)],
    });
  });

  it('never changes an instance, a tunnel or a record without the mark of Eph', async () => {
    const platform = createTestPlatform();
    const { machine } = platform.cloudflare;
    platform.ec2.runInstances({
      minCount: 1,
      maxCount: 1,
      imageId: 'ami-0e0e0e0e0e0e0e0e0',
      subnetId: 'subnet-a',
    });
    machine.createTunnel({ name: 'office' });
    machine.createTunnel({ name: 'eph-test-of-somebody' });
    machine.createRecord({ type: 'CNAME', name: 'www', content: 'x.cfargotunnel.com' });
    const before = await whatExists(platform);
    await compare(platform, 5);
    expect(await whatExists(platform)).toEqual(before);
  });

  it('deletes nothing of a kind whose list failed, and reports that it failed', async () => {
    const platform = createTestPlatform();
    const instanceId = await launchFor(platform, '7#7', 'lost');
    await platform.advance(hours(1));
    for (let run = 0; run < 4; run += 1) {
      platform.ec2.faults.failNext('DescribeInstances', 'Unavailable');
      await expect(platform.sweep('compare')).rejects.toThrow('did not finish');
      await platform.advance(hours(1));
    }
    expect((await whatExists(platform)).instances).toEqual([instanceId]);
  });

  it('removes the others when one cannot be removed, and checks the living all the same', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    await platform.tunnels.ensureTunnel('eph-test-7-7-0');
    await platform.tunnels.ensureTunnel('eph-test-7-8-0');
    await platform.advance(hours(1));
    await compare(platform, 1);
    platform.cloudflare.faults.failNext('deleteTunnel', new CloudflareError(400, 1022, 'active connections'));
    platform.calls.length = 0;
    await expect(platform.sweep('compare')).rejects.toThrow();
    expect((await story.whatExists()).tunnels).toHaveLength(2);
    expect(platform.calls).toContain('sqs SendMessageBatch');
    await compare(platform, 1);
    expect((await story.whatExists()).tunnels).toHaveLength(1);
  });

  it('takes none of 150 living machines for an orphan, although a page of EC2 holds fewer', async () => {
    const story = createStory();
    const { platform } = story;
    for (let count = 0; count < 150; count += 1) story.openPullRequest({ branch: `b${count}` });
    // A free zone has room for 200 records: one service each.
    platform.hosts.habits.services = [{ name: 'web', port: 3000 }];
    await platform.advance(minutes(10));
    const before = (await story.whatExists()).instances;
    expect(before).toHaveLength(150);
    await compare(platform, 3);
    expect((await story.whatExists()).instances).toEqual(before);
  });

  it('removes no more than the cap in one run', async () => {
    const platform = createTestPlatform();
    const { hosts } = platform.aws;
    for (let count = 0; count < ORPHAN_CAP + 5; count += 1) await hosts.putHost(`i-${count}`, '7#7', 0);
    await compare(platform, 1);
    expect((await whatExists(platform)).hostRows).toHaveLength(ORPHAN_CAP + 5);
    await compare(platform, 1);
    expect((await whatExists(platform)).hostRows).toHaveLength(5);
    await compare(platform, 1);
    expect((await whatExists(platform)).hostRows).toEqual([]);
  });

  it('does not touch an environment while a run holds its lease', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { tunnels } = await story.whatExists();
    const [one = '', two = ''] = story.key(pull).split('#');
    await platform.tunnels.ensureTunnel(`eph-test-${one}-${two}-9`);
    await platform.advance(hours(1));
    const now = platform.clock.now();
    const lease = { id: 'other', until: now + hours(4.5) };
    await platform.ports.environments.claim(story.key(pull), undefined, lease, now);
    await compare(platform, 4);
    expect((await story.whatExists()).tunnels).toHaveLength(2);
    await platform.advance(hours(1));
    await compare(platform, 2);
    expect((await story.whatExists()).tunnels).toEqual(tunnels);
  });

  it.each([
    ['is missed', 0, 'something is missing'],
    ['is not reported while a run holds the lease', 1_000, 'hourly check'],
  ])('a machine that is gone %s', async (_what, work, cause) => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    platform.ec2.knobs.transitionMs = minutes(1);
    platform.ec2.terminateInstances((await story.whatExists()).instances);
    const now = platform.clock.now();
    const lease = { id: 'other', until: now + work };
    await platform.ports.environments.claim(story.key(pull), undefined, lease, now);
    await platform.sweep('compare');
    expect(wakes(platform)).toEqual([cause]);
  });

  it('asks EC2 and Cloudflare nothing more about an environment that has everything', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    await platform.advance(hours(1));
    await platform.sweep('compare');
    expect(wakes(platform)).toEqual(['hourly check']);
    platform.calls.length = 0;
    await platform.advance(minutes(1));
    expect(platform.calls.filter((call) => /^(machines|tunnels)\./.test(call))).toEqual([]);
  });

  it('does not miss a machine of a moment ago, which EC2 may not list yet, nor a mailbox', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    platform.ec2.knobs.staleReadMs = minutes(20);
    await platform.deliverAll();
    await platform.sweep('compare');
    expect(wakes(platform)).toEqual(['hourly check']);
  });

  it('misses a machine also when a push came a moment ago', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const { instances } = await story.whatExists();
    platform.hosts.habits.build = 'stuck';
    story.push(pull);
    await platform.advance(minutes(1));
    platform.ec2.terminateInstances(instances);
    platform.hosts.habits.build = 'ready';
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    expect((await story.whatExists()).instances).not.toEqual(instances);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('checks again what was taken down with Eph, and once what people have closed', async () => {
    const story = createStory();
    const { platform } = story;
    const closed = story.openPullRequest();
    const open = story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(closed);
    platform.operator.paused = 'closed';
    await platform.sweep('wake-all');
    await platform.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    platform.operator.paused = 'no';
    await platform.sweep('compare');
    expect(wakes(platform)).toHaveLength(2);
    await platform.advance(minutes(20));
    await platform.sweep('compare');
    await platform.advance(minutes(20));
    await platform.sweep('compare');
    expect(wakes(platform)).toHaveLength(1);
    expect(story.status(open)).toBe(`success: ${open.headSha.slice(0, 7)} is running`);
  });

  it('names the first twenty of those that are stuck, and counts them all', async () => {
    const story = createStory();
    const { platform } = story;
    platform.ec2.knobs.noCapacityIn.add('t3.small');
    for (let count = 0; count < 22; count += 1) story.openPullRequest();
    await platform.advance(minutes(61));
    await platform.sweep('compare');
    const line = platform.logs.find(({ message }) => message === 'environments');
    expect(line).toMatchObject({ total: 22, stuck: 22 });
    expect(line?.['stuckKeys']).toHaveLength(20);
  });

  it('does not count what is gone, and checks for a day only what GitHub never confirmed', async () => {
    const story = createStory();
    const { platform } = story;
    const gone = story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(gone);
    await platform.advance(minutes(20));
    // Its last reports are compared once with what people see.
    await platform.sweep('compare');
    await platform.deliverAll();
    platform.github.faults.failNext('*', new GithubError(404, 'Not Found'), Number.POSITIVE_INFINITY);
    story.openPullRequest();
    await platform.advance(hours(1));
    await platform.sweep('compare').catch(() => undefined);
    expect(platform.logs.findLast(({ message }) => message === 'environments')).toMatchObject({ total: 0 });
    expect(wakes(platform)).toEqual(['hourly check']);
    await platform.advance(hours(25));
    await platform.sweep('compare').catch(() => undefined);
    expect(wakes(platform)).toEqual([]);
  });

  it('checks twenty of those that GitHub never confirmed, because forged messages can make any number', async () => {
    const story = createStory();
    const { platform } = story;
    platform.github.faults.failNext('*', new GithubError(404, 'Not Found'), Number.POSITIVE_INFINITY);
    for (let count = 0; count < MAX_UNCONFIRMED_WOKEN + 3; count += 1) story.openPullRequest();
    await platform.advance(hours(1));
    await platform.sweep('compare').catch(() => undefined);
    expect(wakes(platform)).toHaveLength(MAX_UNCONFIRMED_WOKEN);
  });

  it('deletes the sighting of what it has removed, so that the same thing later is new', async () => {
    const platform = createTestPlatform();
    const { hosts } = platform.aws;
    await hosts.putHost('i-1', '7#7', 0);
    await compare(platform, 2);
    expect((await whatExists(platform)).hostRows).toEqual([]);
    await hosts.putHost('i-1', '7#7', 0);
    await compare(platform, 1);
    expect((await whatExists(platform)).hostRows).toEqual(['i-1']);
  });

  it('switches on again a machine that switched itself off', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const { instances } = await story.whatExists();
    platform.ec2.stopInstances(instances);
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    expect((await story.whatExists()).instances).toEqual(instances);
    expect(platform.ec2.find(instances[0] ?? '')?.state).toBe('running');
    expect(story.status(pull)).toMatch(/^success/);
  });

  it('finds a close whose webhook was lost', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.webhooksFail = true;
    story.close(pull);
    await platform.sweep('compare');
    await platform.advance(minutes(5));
    expect((await story.whatExists()).instances).toEqual([]);
  });
});

describe('after a roll-back', () => {
  async function lived() {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(20));
    await platform.tunnels.ensureTunnel('eph-test-7-7-0');
    await platform.advance(hours(1));
    return { story, platform, pull };
  }

  it('a row of the newer version is kept with all that is its own, and the others are checked', async () => {
    const { story, platform, pull } = await lived();
    const before = await story.whatExists();
    const mailboxOfNobody = 'i-00000000000000000';
    platform.mailbox.report(mailboxOfNobody, 'progress', '{}');
    platform.rewrite(story.key(pull), (row) => ({ ...row, v: 2, state: 'of a form to come' }));
    for (let hour = 0; hour < 26; hour += 1) {
      await platform.sweep('compare');
      await platform.advance(hours(1));
    }
    const after = await story.whatExists();
    expect(after.tunnels).toEqual(before.tunnels.filter((name) => name !== 'eph-test-7-7-0'));
    // A mailbox does not name its environment.
    expect(after).toMatchObject({
      instances: before.instances,
      records: before.records,
      hostRows: before.hostRows,
      mailboxes: [...before.mailboxes, mailboxOfNobody],
    });
    expect(platform.logs).toContainEqual({
      level: 'error',
      message: 'rows that cannot be read',
      environments: [story.key(pull)],
    });
  });

  it('an address of the newer version is kept, and the others are checked', async () => {
    const { story, platform, pull } = await lived();
    const before = await story.whatExists();
    platform.rewrite(story.key(pull), (row) => {
      const { ingress, ...state } = v.parse(v.looseObject({ ingress: v.looseObject({}) }), row.state);
      return { ...row, state: { ...state, ingress: { ...ingress, v: 2 } } };
    });
    for (let hour = 0; hour < 4; hour += 1) {
      await platform.sweep('compare');
      await platform.advance(hours(1));
    }
    const after = await story.whatExists();
    expect(after).toEqual({
      ...before,
      tunnels: before.tunnels.filter((name) => name !== 'eph-test-7-7-0'),
    });
    expect((await story.state(pull)).ingress).toMatchObject({ v: 2 });
  });
});

describe('two Ephs in one account and one zone, called `a2` and `a2-2`', () => {
  it('never change each other’s machines, tunnels and records', async () => {
    const a = createTestPlatform({ config: { DEPLOYMENT_ID: 'a2' } });
    const b = createTestPlatform({ config: { DEPLOYMENT_ID: 'a2-2' }, vendors: a });
    for (const platform of [a, b]) {
      await launchFor(platform, '7#7', `of ${platform.config.DEPLOYMENT_ID}`);
      const { id } = await platform.tunnels.ensureTunnel(`eph-${platform.config.DEPLOYMENT_ID}-7-7-0`);
      await platform.tunnels.ensureRecord(`${platform.config.DEPLOYMENT_ID}-pr.eph.test`, id, '7#7');
    }
    await compare(a, 30);
    const { instances, tunnels, records } = await whatExists(a);
    expect(instances).toHaveLength(1);
    expect(tunnels).toEqual(['eph-a2-2-7-7-0']);
    expect(records).toEqual(['a2-2-pr.eph.test']);
    expect(await a.tunnels.findRecord('a2-2-pr.eph.test', '7#7')).toBeUndefined();
    await compare(b, 4);
    expect((await whatExists(b)).tunnels).toEqual([]);
  });
});

describe('the schedule', () => {
  it('asks GitHub for webhooks that failed, and the environment comes up', async () => {
    const story = createStory();
    const { platform } = story;
    platform.webhooksFail = true;
    const pull = story.openPullRequest();
    platform.webhooksFail = false;
    await platform.advance(minutes(15));
    expect(await platform.ports.environments.read(story.key(pull))).toBeUndefined();
    await platform.sweep('due');
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    const deliveries = platform.github.state.deliveries.length;
    await platform.sweep('due');
    expect(platform.github.state.deliveries).toHaveLength(deliveries);
  });

  it.each([
    ['500', 500],
    ['nothing in time', 0],
  ])('asks also for one that was answered %s, with 120 others behind it', async (_how, statusCode) => {
    const { platform, pull, key } = missed(statusCode);
    others(platform, 120);
    await platform.advance(minutes(15));
    await platform.sweep('due');
    await platform.advance(minutes(10));
    expect((await platform.ports.environments.read(key(pull)))?.state.phase).toBe('ready');
  });

  it('finds one at the next hourly garbage collection after the sweep did not run for a day', async () => {
    const { platform, pull, key } = missed(500);
    others(platform, 350);
    await platform.advance(hours(26));
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect(await platform.ports.environments.read(key(pull))).toBeUndefined();
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    expect((await platform.ports.environments.read(key(pull)))?.state.phase).toBe('ready');
  });

  it('waits no longer after a long outage than the outage lasted', async () => {
    const { platform, pull, key } = missed(500);
    platform.webhooksFail = true;
    await sweepFor(platform, 5);
    platform.webhooksFail = false;
    await sweepFor(platform, 5);
    expect((await platform.ports.environments.read(key(pull)))?.state.phase).toBe('ready');
  });

  it('asks for what fails for good a few times and never again, and makes no more calls for it', async () => {
    const { platform } = missed(500);
    platform.webhooksFail = true;
    await sweepFor(platform, 24 * 3);
    const tries = platform.github.state.deliveries.filter(({ event }) => event === 'pull_request').length;
    expect(tries).toBeGreaterThan(6);
    expect(tries).toBeLessThanOrEqual(10);
    await sweepFor(platform, 24 * 4);
    expect(platform.github.state.deliveries.filter(({ event }) => event === 'pull_request')).toHaveLength(
      tries,
    );
    platform.calls.length = 0;
    await platform.sweep('due');
    expect(platform.calls.filter((call) => call === 'github apps/list-webhook-deliveries')).toHaveLength(1);
  });

  it('asks for a hundred in one run, those of the fewest tries first, and for the rest in the next', async () => {
    const { platform } = missed(500);
    platform.webhooksFail = true;
    others(platform, 140);
    platform.webhooksFail = false;
    const redelivered = () => platform.github.state.deliveries.filter(({ redelivery }) => redelivery);
    await platform.advance(minutes(5));
    await platform.sweep('due');
    expect(redelivered()).toHaveLength(REDELIVERY_CAP);
    expect(platform.logs).toContainEqual(expect.objectContaining({ askForMissed: REDELIVERY_CAP }));
    await platform.advance(minutes(15));
    await platform.sweep('due');
    // The pull request's own delivery and that of the story's installation are included.
    expect(new Set(redelivered().map(({ guid }) => guid)).size).toBe(redelivered().length);
    expect(redelivered().length).toBeGreaterThan(140);
  });

  it('asks for the others where GitHub refuses to send one', async () => {
    const { platform, pull, key } = missed(500);
    platform.webhooksFail = true;
    others(platform, 1);
    platform.webhooksFail = false;
    await platform.advance(minutes(5));
    platform.github.faults.failNext(
      'apps/redeliver-webhook-delivery',
      new GithubError(422, 'Validation Failed'),
    );
    await platform.sweep('due');
    expect(platform.logs).toContainEqual(expect.objectContaining({ message: 'webhook not redelivered' }));
    expect(platform.github.state.deliveries.filter(({ redelivery }) => redelivery).length).toBeGreaterThan(0);
    await platform.advance(minutes(15));
    await platform.sweep('due');
    await platform.advance(minutes(10));
    expect((await platform.ports.environments.read(key(pull)))?.state.phase).toBe('ready');
  });

  it('reads no more pages than its cap, and reports how far it came', async () => {
    const { platform } = missed(500);
    others(platform, 100 * DELIVERY_PAGES_CAP);
    await platform.advance(minutes(5));
    platform.calls.length = 0;
    await platform.sweep('due');
    expect(platform.calls.filter((call) => call === 'github apps/list-webhook-deliveries')).toHaveLength(
      DELIVERY_PAGES_CAP,
    );
    expect(platform.logs.at(-2)?.message).toContain('more deliveries than one look reads');
  });

  it('asks often for the last hour, and once an hour for the days before', async () => {
    const { platform } = missed(500);
    const redelivered = () => platform.github.state.deliveries.filter(({ redelivery }) => redelivery);
    await platform.advance(minutes(30));
    await platform.sweep('compare');
    expect(redelivered()).toEqual([]);
    await platform.advance(minutes(90));
    await platform.sweep('due');
    expect(redelivered()).toEqual([]);
    await platform.sweep('compare');
    // Those of the story's organization, which did not arrive either, are included.
    expect(redelivered().map(({ event }) => event)).toContain('pull_request');
  });

  it('reads GitHub’s list for no longer than its time, and reports how far it came', async () => {
    const { platform } = missed(500, 4_000);
    others(platform, 2_000);
    await platform.advance(minutes(5));
    platform.calls.length = 0;
    await platform.sweep('due');
    expect(platform.calls.filter((call) => call === 'github apps/list-webhook-deliveries')).toHaveLength(4);
    const [line] = platform.logs.filter(({ message }) => message.includes('than one look reads'));
    expect(line?.message).toBe(
      `more deliveries than one look reads: none from before ${new Date(ORIGIN).toISOString()}`,
    );
  });

  it('asks for webhooks for no longer than its time, and for the rest the next time', async () => {
    const { platform } = missed(500, 4_000);
    platform.webhooksFail = true;
    others(platform, 40);
    platform.webhooksFail = false;
    await platform.advance(minutes(5));
    platform.calls.length = 0;
    await platform.sweep('due');
    expect(platform.calls.filter((call) => call === 'github apps/redeliver-webhook-delivery')).toHaveLength(
      7,
    );
  });

  it('fails when GitHub does not answer, so that the operator sees it', async () => {
    const { platform } = missed(500);
    await platform.advance(minutes(5));
    platform.github.faults.failNext('apps/redeliver-webhook-delivery', new GithubError(502, 'Bad Gateway'));
    await expect(platform.sweep('due')).rejects.toThrow('did not finish');
    platform.github.faults.failNext('apps/list-webhook-deliveries', new GithubError(502, 'Bad Gateway'));
    await expect(platform.sweep('due')).rejects.toThrow('did not finish');
  });

  it('turns a dead letter into a line of the trace and another reconcile', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call === 'dynamodb UpdateItem environments claim') throw new Error('DynamoDB is down');
      return perform();
    };
    await platform.advance(minutes(60));
    expect(platform.queue.deadLetters()).toHaveLength(1);
    platform.watch = undefined;
    await platform.sweep('due');
    expect(platform.logs).toContainEqual(expect.objectContaining({ level: 'error', message: 'dead letter' }));
    await platform.advance(minutes(10));
    expect(platform.queue.deadLetters()).toEqual([]);
    expect((await story.state(pull)).phase).toBe('ready');
    expect(platform.records.trace(story.key(pull)).map(({ cause }) => cause)).toContain('dead letter');
  });

  it('handles a dead letter of a host’s report too, by reconciling its environment', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call === 'dynamodb UpdateItem hosts payWhenQuiet') throw new Error('DynamoDB is down');
      return perform();
    };
    await platform.advance(minutes(38));
    const letters = platform.queue.deadLetters().length;
    expect(letters).toBeGreaterThan(0);
    platform.watch = undefined;
    await platform.sweep('due');
    expect(wakes(platform)).toEqual(Array.from({ length: letters }, () => 'dead letter'));
    expect(platform.queue.deadLetters()).toEqual([]);
  });

  it('handles a dead letter that is about a whole repository too', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    platform.watch = async (call, perform) => {
      if (call === 'dynamodb Query environments repository') throw new Error('DynamoDB is down');
      return perform();
    };
    platform.github.repositories.remove(repository, author);
    await platform.advance(minutes(60));
    expect(platform.queue.deadLetters()).toHaveLength(1);
    platform.watch = undefined;
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect(await story.whatExists()).toMatchObject({ tunnels: [], records: [] });
  });

  it('wakes the environments that are due and no others', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const closed = story.openPullRequest();
    story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(closed);
    await platform.advance(hours(25));
    platform.calls.length = 0;
    const before = platform.queue.messages().length;
    await platform.sweep('due');
    expect(platform.queue.messages()).toHaveLength(before + 1);
  });
});

/** A pull request whose only delivery did not arrive; without a status code, it was not answered in time. */
function missed(statusCode: number, latency = 0) {
  const story = createStory(createTestPlatform({ latency }));
  const { platform } = story;
  platform.webhooksFail = true;
  const pull = story.openPullRequest();
  platform.webhooksFail = false;
  const delivery = platform.github.state.deliveries.findLast(({ event }) => event === 'pull_request');
  if (delivery?.outcome) delivery.outcome.statusCode = statusCode;
  return { platform, pull, key: story.key };
}

/** Deliveries that do not concern Eph, and that it does not read. */
function others(platform: TestPlatform, count: number): void {
  const { deliveries, state } = platform.github;
  const [installation] = state.installations.values();
  const [sender] = state.accounts.values();
  if (!sender || !installation) throw new Error('nobody has the App');
  const payload = { action: 'new_permissions_accepted' };
  for (let sent = 0; sent < count; sent += 1) {
    deliveries.emit({ name: 'installation', payload, installation, sender });
  }
}

/** The sweep, as the schedule starts it. */
async function sweepFor(platform: TestPlatform, hoursLong: number): Promise<void> {
  for (let quarter = 0; quarter < hoursLong * 4; quarter += 1) {
    await platform.sweep('due');
    if (quarter % 4 === 0) await platform.sweep('compare');
    await platform.advance(minutes(15));
  }
}
