import { describe, expect, it } from 'vitest';
import { LEASE, MAX_STEPS, MAX_TIMERS_IN_A_ROW, RELEASE_TRIES } from '#core/limits';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createWorld, Death } from '../fakes/create-world.ts';
import { holder, leaving } from '../fakes/holder.ts';
import { createStory, hours, minutes, type Story } from '../fakes/story.ts';

describe('a message', () => {
  it.each([
    ['that is not JSON', 'hello'],
    ['of a kind that nobody knows', '{"v":1,"kind":"party"}'],
    ['with half a character', '{"v":1,"kind":"wake","delivery":"\\ud83d","environment":"1#1","cause":"x"}'],
    ['of a version to come', '{"v":2,"kind":"wake","delivery":"d","environment":"1#1","cause":"x"}'],
    [
      'of S3 with a key that cannot be decoded',
      '{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"%E0%A4%A"}}}]}',
    ],
  ])('%s is acknowledged and logged as an error', async (_what, body) => {
    const world = createWorld();
    expect(await world.take(body)).toEqual({ batchItemFailures: [] });
    expect(world.logs).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('malformed') }),
    );
  });

  it('stays in the queue after an error that nobody foresaw', async () => {
    const story = createStory();
    const { world } = story;
    story.openPullRequest();
    world.watch = async () => {
      throw new TypeError('undefined is not a function');
    };
    const [message] = world.queue.messages();
    expect(await world.take(message?.body ?? '')).toEqual({
      batchItemFailures: [{ itemIdentifier: 'direct' }],
    });
  });

  it('that fails, or cannot be read, does not keep the others of its batch', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const [opened] = world.queue.messages().slice(-1);
    const failing = JSON.stringify({
      v: 1,
      kind: 'repository',
      delivery: 'd',
      action: 'renamed',
      installationId: 1,
      repository: { id: 7, owner: 'acme', name: 'shop' },
    });
    world.watch = async (call, perform) => {
      if (call === 'dynamodb Query environments repository') throw new Error('DynamoDB is down');
      return perform();
    };
    const answer = await world.takeAll(['hello', failing, opened?.body ?? '']);
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: '1' }] });
    expect((await story.whatExists()).instances).toHaveLength(1);
    expect(story.status(pull)).toMatch(/^pending/);
  });

  it('of S3’s set-up test is acknowledged', async () => {
    const world = createWorld();
    expect(await world.take('{"Service":"Amazon S3","Event":"s3:TestEvent"}')).toEqual({
      batchItemFailures: [],
    });
    expect(world.logs).toEqual([]);
  });

  it('of a machine that belongs to nobody wakes nobody', async () => {
    const world = createWorld();
    world.mailbox.report('i-0123456789abcdef0', 'result', '{}');
    await world.deliverAll();
    expect(world.calls).toEqual(['dynamodb UpdateItem hosts payWhenQuiet', 'dynamodb GetItem hosts']);
  });

  it('that wakes a row which does not exist makes none', async () => {
    const world = createWorld();
    await world.ports.jobs.send({ v: 1, kind: 'wake', delivery: 'd', environment: '1#1', cause: 'x' });
    await world.deliverAll();
    expect(await world.ports.environments.all()).toEqual({ rows: [], unreadable: [] });
  });

  it('that a machine made unreadable changes nothing', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const { instances } = await story.whatExists();
    world.mailbox.report(instances[0] ?? '', 'result', '{"generation":');
    world.mailbox.report(instances[0] ?? '', 'progress', 'x'.repeat(300_000));
    await world.advance(minutes(5));
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('the lease', () => {
  it('held by another run: one wake is sent to its end, nothing else is done', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const source = { access: String(story.installation.id), owner: 'acme', name: 'shop', delivery: 'd' };
    const now = world.clock.now();
    await world.ports.environments.claim(key, source, { id: 'somebody', until: now + LEASE }, now);
    await world.deliverAll();
    expect(world.calls).toEqual([
      'dynamodb UpdateItem environments claim',
      'dynamodb UpdateItem environments wake',
      'sqs SendMessage',
    ]);
    expect(world.queue.nextAt()).toBe(now + LEASE);
  });

  it('held by another run: what a message says beside “look again” is not lost', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const now = world.clock.now();
    const key = story.key(pull);
    await world.ports.environments.claim(key, undefined, { id: 'other', until: now + LEASE }, now);
    // Public, so that only a look with a new token sees that it was taken out.
    world.github.installations.removeRepositories(story.installation, story.author, [story.repository]);
    await world.advance(minutes(5));
    expect((await story.state(pull)).away?.why).toBe('no-access');
  });

  it.each<[string, (story: Story, pull: PullRequest) => Promise<unknown>]>([
    [
      'that the comparison missed something',
      async ({ world }) => {
        const [tunnel] = world.cloudflare.machine.listTunnels({ is_deleted: 'false' }).items;
        await world.tunnels.deleteTunnel(tunnel?.id ?? '');
        return world.sweep('compare');
      },
    ],
    [
      'that another pull request has written over the status',
      async ({ world, repository, key }, pull) => {
        world.github.statuses.create(repository, world.github.state.app.bot, {
          sha: pull.headSha,
          state: 'success',
          context: 'eph/preview',
          description: 'Preview removed',
          targetUrl: null,
        });
        const wake = { v: 1, kind: 'wake', delivery: 'd', environment: key(pull), cause: 'x' } as const;
        return world.ports.jobs.send({ ...wake, retell: true });
      },
    ],
  ])(
    'held by a run that was not answered: the next one acts on what a message knew, %s',
    async (_what, happen) => {
      const story = createStory();
      const { world } = story;
      const pull = story.openPullRequest();
      await world.advance(hours(1));
      const key = story.key(pull);
      const { environments } = world.ports;
      await happen(story, pull);
      const now = world.clock.now();
      await environments.claim(key, undefined, { id: 'other', until: now + LEASE }, now);
      await world.deliverAll();
      const { wakes, state } = await story.row(pull);
      const unheard = { ...leaving(wakes, state, now + LEASE), acted: false };
      expect(await environments.release(key, holder('other'), unheard)).toBe(true);
      await world.advance(LEASE + minutes(5));
      expect((await story.whatExists()).tunnels).toHaveLength(1);
      expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    },
  );

  it('of a run that GitHub did not answer is not forgotten over a report that comes before the next try', async () => {
    const story = createStory();
    const { world } = story;
    world.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await world.advance(world.hosts.habits.bootMs + world.hosts.habits.planMs + 5_000);
    world.watch = async (call, perform) => {
      if (call === 'github pulls/get') throw new Error('the connection was reset');
      return perform();
    };
    story.push(pull);
    await world.deliverAll();
    world.watch = undefined;
    const [instanceId = ''] = (await story.whatExists()).instances;
    const { generation = 0 } = world.mailbox.order(instanceId) ?? {};
    world.mailbox.report(instanceId, 'result', readyResult(generation, pull.headSha));
    await world.deliverAll();
    await world.advance(minutes(1));
    expect((await story.state(pull)).pull?.sha).toBe(pull.headSha);
  });

  it('of a run that stays away from GitHub, which asked for it, leaves to the next one what a message knew', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const observe = {
      count: 1,
      notBefore: world.clock.now() + minutes(5),
      insisted: true,
      code: 'github_429',
      sentence: 'GitHub asked to be left alone.',
    };
    const stateOf = (row: Record<string, unknown>) => row['state'] as object;
    world.rewrite(story.key(pull), (row) => ({ ...row, state: { ...stateOf(row), retries: { observe } } }));
    const wake = { v: 1, kind: 'wake', delivery: 'd', environment: story.key(pull), cause: 'x' } as const;
    await world.ports.jobs.send({ ...wake, retell: true });
    await world.deliverAll();
    expect((await story.row(pull)).hints).toEqual(['retell']);
    await world.advance(minutes(10));
    expect((await story.row(pull)).hints).toBeUndefined();
  });

  it('of a run that came for one thing is not let go before it has looked at what was said meanwhile', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    world.watch = async (call, perform) => {
      if (
        call === 'dynamodb UpdateItem environments release' &&
        (await story.state(pull)).phase === 'deploying'
      ) {
        world.watch = undefined;
        const [instanceId = ''] = (await story.whatExists()).instances;
        const { generation = 0 } = world.mailbox.order(instanceId) ?? {};
        world.mailbox.report(instanceId, 'result', readyResult(generation, pull.headSha));
        await world.deliverAll();
      }
      return perform();
    };
    world.hosts.habits.build = 'stuck';
    await world.advance(world.hosts.habits.bootMs + world.hosts.habits.planMs + 5_000);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('of a run that is letting go: it acts itself on what a message knew that came just then', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(hours(1));
    const key = story.key(pull);
    const [tunnel] = world.cloudflare.machine.listTunnels({ is_deleted: 'false' }).items;
    world.watch = async (call, perform) => {
      if (call !== 'dynamodb UpdateItem environments release') return perform();
      world.watch = undefined;
      await world.tunnels.deleteTunnel(tunnel?.id ?? '');
      await world.ports.environments.wake(key, undefined, world.clock.now(), { hints: ['suspect'] });
      return perform();
    };
    story.redeliver(pull);
    await world.deliverAll();
    expect((await story.whatExists()).tunnels).toHaveLength(1);
    expect((await story.row(pull)).hints).toBeUndefined();
  });

  it('of a run that is cut: what messages knew meanwhile is left for the next one', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const isCut = () => world.logs.some(({ message }) => message === 'a run of too many steps was cut');
    world.watch = async (call, perform) => {
      const done = isCut();
      if (call === 'dynamodb UpdateItem environments release' && !done)
        await world.ports.environments.wake(key, undefined, world.clock.now(), { hints: ['machine'] });
      return perform();
    };
    await world.deliverAll();
    expect(isCut()).toBe(true);
    const { lease, hints } = await story.row(pull);
    expect(lease).toBeUndefined();
    expect(hints).toEqual(['machine']);
  });

  it('of a run that crashed is taken over when it has ended, without the queue’s long time-out', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    world.watch = async (call, perform) => {
      if (call !== 'cloudflare putConfiguration') return perform();
      world.watch = undefined;
      throw new Death();
    };
    await world.deliverAll();
    story.redeliver(pull);
    await world.advance(LEASE + 10_000);
    const { ingress, hostname = '' } = await story.state(pull);
    expect(world.ports.ingress.isOpen(ingress, [{ hostname, url: '' }])).toBe(true);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('makes the row due when it ends: the schedule finds what crashed', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    world.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      throw new Death();
    };
    await world.deliverAll();
    world.watch = undefined;
    const { lease, nextLookAt } = await story.row(pull);
    expect(nextLookAt).toBe(lease?.until);
  });

  it('that passed to another run in the middle: the slow one writes nothing more', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const { environments } = world.ports;
    world.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      world.watch = undefined;
      const done = await perform();
      const end = world.clock.now() + LEASE;
      await environments.claim(key, undefined, { id: 'another', until: end + LEASE }, end);
      return done;
    };
    await world.deliverAll();
    expect((await story.row(pull)).lease?.id).toBe('another');
    expect((await story.state(pull)).ingress).toBeUndefined();
    expect((await story.whatExists()).tunnels).toEqual([]);
    // Nobody has to look at it, and the message does not come back.
    expect(world.logs.filter(({ level }) => level !== 'info')).toEqual([]);
    expect(world.records.trace(key)).toEqual([]);
    expect(world.queue.messages().filter(({ receives }) => receives > 0)).toEqual([]);
  });

  it.each([
    ['for longer than the run has steps', false],
    ['and on while it lets go', true],
  ])('of a row that is spoken to %s: the run is cut, and what it did is kept', async (_how, forEver) => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const cuts = () => world.logs.filter(({ message }) => message === 'a run of too many steps was cut');
    let afterTheCut = 0;
    world.watch = async (call, perform) => {
      if (call !== 'dynamodb UpdateItem environments release') return perform();
      if (cuts().length > 0) afterTheCut += 1;
      if (forEver || afterTheCut <= 1) await world.ports.environments.wake(key, undefined, world.clock.now());
      return perform();
    };
    await world.deliverAll();
    expect(cuts()).toEqual([expect.objectContaining({ level: 'error', environment: key })]);
    const { lease } = await story.row(pull);
    expect(lease !== undefined).toBe(forEver);
    const releases = world.calls.filter((call) => call === 'dynamodb UpdateItem environments release');
    expect(releases.length).toBeLessThanOrEqual(MAX_STEPS + RELEASE_TRIES);
    const { told } = await story.state(pull);
    expect(told?.data).toMatchObject({ status: { sha: pull.headSha } });

    world.watch = undefined;
    await world.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('is let go before the function’s time is over, and the work goes on in another run', async () => {
    const story = createStory(createWorld({ latency: 3_000 }));
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(20));
    expect((await story.state(pull)).phase).toBe('ready');
    const trace = world.records.trace(story.key(pull));
    expect(trace.map(({ outcome }) => outcome)).toContain('out of time, going on at once');
  });
});

describe('timers', () => {
  it('do not multiply: a wait has one, however many messages came', async () => {
    const story = createStory();
    const { world } = story;
    world.hosts.habits.build = 'silent';
    const pull = story.openPullRequest();
    await world.advance(10_000);
    for (let count = 0; count < 20; count += 1) story.redeliver(pull);
    await world.advance(minutes(5));
    world.calls.length = 0;
    await world.advance(minutes(2));
    expect(world.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
    expect(
      world.calls.filter((call) => call === 'dynamodb UpdateItem environments release').length,
    ).toBeLessThanOrEqual(2);
  });

  it('that are too late do nothing', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(20));
    world.calls.length = 0;
    const environment = story.key(pull);
    await world.ports.jobs.send({
      v: 1,
      kind: 'wake',
      delivery: 'd',
      environment,
      cause: 'due',
      timer: true,
    });
    await world.deliverAll();
    expect(world.calls).toEqual(['dynamodb UpdateItem environments claimIfDue']);
  });

  it('of a row that waits for ever are 12 in a row; then only the sweep wakes it', async () => {
    const { world, pull, row, runs } = await waitsForAMachine();
    await world.advance(hours(5));
    expect(runs()).toBe(1 + MAX_TIMERS_IN_A_ROW);
    expect(world.queue.messages()).toEqual([]);
    expect((await row(pull)).nextLookAt).toBeLessThan(world.clock.now());

    await world.sweep('due');
    await world.advance(hours(5));
    expect(runs()).toBe(2 * (1 + MAX_TIMERS_IN_A_ROW));

    await world.sweep('due');
    world.ec2.knobs.noCapacityIn.clear();
    await world.advance(minutes(10));
    expect((await row(pull)).state).toMatchObject({ phase: 'ready' });
  });

  it.each([
    ['a webhook', ({ redeliver }: Story, pull: PullRequest) => redeliver(pull)],
    ['the operator’s word', ({ world }: Story) => world.sweep('wake-all')],
  ])('are counted anew after %s', async (_who, speak) => {
    const { story, world, pull, runs } = await waitsForAMachine();
    while (runs() < MAX_TIMERS_IN_A_ROW) await world.advance(minutes(1));
    await speak(story, pull);
    await world.deliverAll();
    const before = runs();
    await world.advance(hours(5));
    expect(runs() - before).toBe(MAX_TIMERS_IN_A_ROW);
  });

  it('are counted anew after a word that came in the middle of a run', async () => {
    const { story, world, pull, runs } = await waitsForAMachine();
    while (runs() < MAX_TIMERS_IN_A_ROW) await world.advance(minutes(1));
    world.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      world.watch = undefined;
      story.redeliver(pull);
      await world.deliverAll();
      return perform();
    };
    while (world.watch) await world.advance(1_000);
    const before = runs();
    await world.advance(hours(5));
    expect(runs() - before).toBe(MAX_TIMERS_IN_A_ROW);
  });

  it('make no chain of runs as long as Lambda ends one, whatever begins it and whoever is in the way', async () => {
    const { story, world, pull } = await waitsForAMachine();
    await world.advance(hours(5));
    world.github.repositories.update(story.repository, story.author, { name: 'store' });
    await world.advance(hours(5));
    story.redeliver(pull);
    const now = world.clock.now();
    await world.ports.environments.claim(story.key(pull), undefined, { id: 'died', until: now + LEASE }, now);
    await world.advance(hours(5));
    // The word about the repository, the one that it passes on to the row, and the row's timers.
    expect(world.longestChain).toBe(2 + MAX_TIMERS_IN_A_ROW);
    expect(world.longestChain).toBeLessThan(16);
  });
});

describe('the trace', () => {
  it('tells cause, delivery, step and outcome of everything that was done', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const trace = world.records.trace(story.key(pull));
    expect(trace[0]).toMatchObject({ cause: 'pull_request opened', step: 'read-settings' });
    expect(trace.map(({ step }) => step)).toEqual(
      expect.arrayContaining(['launch-host', 'open-address', 'mail-order', 'report', 'wait']),
    );
    const opened = world.github.state.deliveries.find(({ event }) => event === 'pull_request');
    expect(trace[0]?.delivery).toBe(opened?.guid);
    expect(trace.at(-1)).toMatchObject({ step: 'wait', outcome: 'nothing to do' });
  });

  it('tells who was told: all three of another state, and of a host’s warning the comment alone', async () => {
    const story = createStory();
    const { world } = story;
    world.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await world.advance(minutes(2));
    const [instanceId = ''] = (await story.whatExists()).instances;
    const report = (file: 'progress' | 'result', more: object) => {
      const body = {
        v: 1,
        generation: 1,
        at: 1,
        services: [],
        warnings: ['a warning'],
        timings: {},
        ...more,
      };
      world.mailbox.report(instanceId, file, JSON.stringify(body));
      return world.advance(1_000);
    };
    world.calls.length = 0;
    await report('progress', { revision: 1, stage: 'building' });
    expect(story.comment(pull)).toContain('a warning');
    const told = () => world.calls.filter((call) => /^github .*(comment|status|deployment)/.test(call));
    expect(told()).toEqual(['github issues/update-comment']);
    await report('result', { sha: pull.headSha, outcome: 'ready' });
    const trace = world.records.trace(story.key(pull)).filter(({ step }) => step === 'report');
    expect(trace.map(({ outcome }) => outcome)).toEqual([
      'deployment, comment, status',
      'comment',
      'deployment, comment, status',
    ]);
  });

  it('tells of what failed, and the log why', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    world.watch = async (call, perform) => {
      if (call !== 'cloudflare tunnelToken') return perform();
      world.watch = undefined;
      throw new TypeError('undefined is not a function');
    };
    await world.advance(minutes(10));
    const environment = story.key(pull);
    expect(world.records.trace(environment)).toContainEqual(
      expect.objectContaining({ step: 'mail-order', outcome: 'transient: unknown' }),
    );
    expect(world.logs).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        environment,
        step: 'mail-order',
        cause: 'TypeError: undefined is not a function',
      }),
    );
  });
});

async function waitsForAMachine() {
  const story = createStory();
  const { world, row } = story;
  world.ec2.knobs.noCapacityIn.add('t3.small');
  const pull = story.openPullRequest();
  await world.deliverAll();
  const runs = () => world.calls.filter((call) => call === 'dynamodb UpdateItem environments release').length;
  return { story, world, row, pull, runs };
}

function readyResult(generation: number, sha: string): string {
  const rest = { at: 1, outcome: 'ready', services: [], warnings: [], timings: {} };
  return JSON.stringify({ v: 1, generation, sha, ...rest });
}
