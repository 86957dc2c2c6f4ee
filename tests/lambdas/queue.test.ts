import { describe, expect, it } from 'vitest';
import { LEASE, MAX_STEPS, MAX_TIMERS_IN_A_ROW, RELEASE_TRIES } from '#core/limits';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform, Death } from '../fakes/create-test-platform.ts';
import { holder, leaving } from '../fakes/holder.ts';
import { createStory, hours, minutes, type Story } from '../fakes/story.ts';

describe('a message', () => {
  it.each([
    ['that is not JSON', 'hello'],
    ['of an unknown kind', '{"v":1,"kind":"party"}'],
    ['with half a character', '{"v":1,"kind":"wake","delivery":"\\ud83d","environment":"1#1","cause":"x"}'],
    ['of a version to come', '{"v":2,"kind":"wake","delivery":"d","environment":"1#1","cause":"x"}'],
    [
      'of S3 with a key that cannot be decoded',
      '{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"%E0%A4%A"}}}]}',
    ],
  ])('%s is acknowledged and logged as an error', async (_what, body) => {
    const platform = createTestPlatform();
    expect(await platform.take(body)).toEqual({ batchItemFailures: [] });
    expect(platform.logs).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('malformed') }),
    );
  });

  it('stays in the queue after an unexpected error', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    platform.watch = async () => {
      throw new TypeError('undefined is not a function');
    };
    const [message] = platform.queue.messages();
    expect(await platform.take(message?.body ?? '')).toEqual({
      batchItemFailures: [{ itemIdentifier: 'direct' }],
    });
  });

  it('that fails, or cannot be read, does not hold up the others of its batch', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const [opened] = platform.queue.messages().slice(-1);
    const failing = JSON.stringify({
      v: 1,
      kind: 'repository',
      delivery: 'd',
      action: 'renamed',
      installationId: 1,
      repository: { id: 7, owner: 'acme', name: 'shop' },
    });
    platform.watch = async (call, perform) => {
      if (call === 'dynamodb Query environments repository') throw new Error('DynamoDB is down');
      return perform();
    };
    const answer = await platform.takeAll(['hello', failing, opened?.body ?? '']);
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: '1' }] });
    expect((await story.whatExists()).instances).toHaveLength(1);
    expect(story.status(pull)).toMatch(/^pending/);
  });

  it('of S3’s set-up test is acknowledged', async () => {
    const platform = createTestPlatform();
    expect(await platform.take('{"Service":"Amazon S3","Event":"s3:TestEvent"}')).toEqual({
      batchItemFailures: [],
    });
    expect(platform.logs).toEqual([]);
  });

  it('of a machine that belongs to nobody wakes nobody', async () => {
    const platform = createTestPlatform();
    platform.mailbox.report('i-0123456789abcdef0', 'result', '{}');
    await platform.deliverAll();
    expect(platform.calls).toEqual(['dynamodb UpdateItem hosts payWhenQuiet', 'dynamodb GetItem hosts']);
  });

  it('that wakes a row which does not exist makes none', async () => {
    const platform = createTestPlatform();
    await platform.ports.jobs.send({ v: 1, kind: 'wake', delivery: 'd', environment: '1#1', cause: 'x' });
    await platform.deliverAll();
    expect(await platform.ports.environments.all()).toEqual({ rows: [], unreadable: [] });
  });

  it('that a machine made unreadable changes nothing', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { instances } = await story.whatExists();
    platform.mailbox.report(instances[0] ?? '', 'result', '{"generation":');
    platform.mailbox.report(instances[0] ?? '', 'progress', 'x'.repeat(300_000));
    await platform.advance(minutes(5));
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('the lease', () => {
  it('of another run has one wake sent for its end, and nothing else is done', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const source = { access: String(story.installation.id), owner: 'acme', name: 'shop', delivery: 'd' };
    const now = platform.clock.now();
    await platform.ports.environments.claim(key, source, { id: 'somebody', until: now + LEASE }, now);
    await platform.deliverAll();
    expect(platform.calls).toEqual([
      'dynamodb UpdateItem environments claim',
      'dynamodb UpdateItem environments wake',
      'sqs SendMessage',
    ]);
    expect(platform.queue.nextAt()).toBe(now + LEASE);
  });

  it('of another run does not make what a message knows be lost', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const now = platform.clock.now();
    const key = story.key(pull);
    await platform.ports.environments.claim(key, undefined, { id: 'other', until: now + LEASE }, now);
    // It is public, so that only a check with a new token finds that it was taken out.
    platform.github.installations.removeRepositories(story.installation, story.author, [story.repository]);
    await platform.advance(minutes(5));
    expect((await story.state(pull)).away?.why).toBe('no-access');
  });

  it.each<[string, (story: Story, pull: PullRequest) => Promise<unknown>]>([
    [
      'that the garbage collection missed something',
      async ({ platform }) => {
        const [tunnel] = platform.cloudflare.machine.listTunnels({ is_deleted: 'false' }).items;
        await platform.tunnels.deleteTunnel(tunnel?.id ?? '');
        return platform.sweep('compare');
      },
    ],
    [
      'that another pull request has written over the status',
      async ({ platform, repository, key }, pull) => {
        platform.github.statuses.create(repository, platform.github.state.app.bot, {
          sha: pull.headSha,
          state: 'success',
          context: 'eph/preview',
          description: 'Preview removed',
          targetUrl: null,
        });
        const wake = { v: 1, kind: 'wake', delivery: 'd', environment: key(pull), cause: 'x' } as const;
        return platform.ports.jobs.send({ ...wake, retell: true });
      },
    ],
  ])(
    'of a run that got no answer lets the next one act on what a message knew, %s',
    async (_what, happen) => {
      const story = createStory();
      const { platform } = story;
      const pull = story.openPullRequest();
      await platform.advance(hours(1));
      const key = story.key(pull);
      const { environments } = platform.ports;
      await happen(story, pull);
      const now = platform.clock.now();
      await environments.claim(key, undefined, { id: 'other', until: now + LEASE }, now);
      await platform.deliverAll();
      const { wakes, state } = await story.row(pull);
      const unheard = { ...leaving(wakes, state, now + LEASE), acted: false };
      expect(await environments.release(key, holder('other'), unheard)).toBe(true);
      await platform.advance(LEASE + minutes(5));
      expect((await story.whatExists()).tunnels).toHaveLength(1);
      expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    },
  );

  it('of a run that GitHub did not answer keeps its retry when a report comes before that', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await platform.advance(platform.hosts.habits.bootMs + platform.hosts.habits.planMs + 5_000);
    platform.watch = async (call, perform) => {
      if (call === 'github pulls/get') throw new Error('the connection was reset');
      return perform();
    };
    story.push(pull);
    await platform.deliverAll();
    platform.watch = undefined;
    const [instanceId = ''] = (await story.whatExists()).instances;
    const { generation = 0 } = platform.mailbox.spec(instanceId) ?? {};
    platform.mailbox.report(instanceId, 'result', readyResult(generation, pull.headSha));
    await platform.deliverAll();
    await platform.advance(minutes(1));
    expect((await story.state(pull)).pull?.sha).toBe(pull.headSha);
  });

  it('of a run that may not call GitHub leaves to the next run what a message knew', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const observe = {
      count: 1,
      notBefore: platform.clock.now() + minutes(5),
      insisted: true,
      code: 'github_429',
      sentence: 'GitHub asked to be left alone.',
    };
    const stateOf = (row: Record<string, unknown>) => row['state'] as object;
    platform.rewrite(story.key(pull), (row) => ({
      ...row,
      state: { ...stateOf(row), retries: { observe } },
    }));
    const wake = { v: 1, kind: 'wake', delivery: 'd', environment: story.key(pull), cause: 'x' } as const;
    await platform.ports.jobs.send({ ...wake, retell: true });
    await platform.deliverAll();
    expect((await story.row(pull)).hints).toEqual(['retell']);
    await platform.advance(minutes(10));
    expect((await story.row(pull)).hints).toBeUndefined();
  });

  it('of a run that came for one message is not released before the later ones are read', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (
        call === 'dynamodb UpdateItem environments release' &&
        (await story.state(pull)).phase === 'deploying'
      ) {
        platform.watch = undefined;
        const [instanceId = ''] = (await story.whatExists()).instances;
        const { generation = 0 } = platform.mailbox.spec(instanceId) ?? {};
        platform.mailbox.report(instanceId, 'result', readyResult(generation, pull.headSha));
        await platform.deliverAll();
      }
      return perform();
    };
    platform.hosts.habits.build = 'stuck';
    await platform.advance(platform.hosts.habits.bootMs + platform.hosts.habits.planMs + 5_000);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('of a run that is releasing the row lets that run act on what a message knew that came then', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const key = story.key(pull);
    const [tunnel] = platform.cloudflare.machine.listTunnels({ is_deleted: 'false' }).items;
    platform.watch = async (call, perform) => {
      if (call !== 'dynamodb UpdateItem environments release') return perform();
      platform.watch = undefined;
      await platform.tunnels.deleteTunnel(tunnel?.id ?? '');
      await platform.ports.environments.wake(key, undefined, platform.clock.now(), { hints: ['suspect'] });
      return perform();
    };
    story.redeliver(pull);
    await platform.deliverAll();
    expect((await story.whatExists()).tunnels).toHaveLength(1);
    expect((await story.row(pull)).hints).toBeUndefined();
  });

  it('of a run that is cut leaves to the next run what messages knew meanwhile', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const isCut = () => platform.logs.some(({ message }) => message === 'a run of too many steps was cut');
    platform.watch = async (call, perform) => {
      const done = isCut();
      if (call === 'dynamodb UpdateItem environments release' && !done)
        await platform.ports.environments.wake(key, undefined, platform.clock.now(), { hints: ['machine'] });
      return perform();
    };
    await platform.deliverAll();
    expect(isCut()).toBe(true);
    const { lease, hints } = await story.row(pull);
    expect(lease).toBeUndefined();
    expect(hints).toEqual(['machine']);
  });

  it('of a run that crashed is taken over when it has ended, before the queue’s long timeout', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call !== 'cloudflare putConfiguration') return perform();
      platform.watch = undefined;
      throw new Death();
    };
    await platform.deliverAll();
    story.redeliver(pull);
    await platform.advance(LEASE + 10_000);
    const { ingress, hostname = '' } = await story.state(pull);
    expect(platform.ports.ingress.isOpen(ingress, [{ hostname, url: '' }])).toBe(true);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('makes the row due when it ends, so that the schedule finds what crashed', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      throw new Death();
    };
    await platform.deliverAll();
    platform.watch = undefined;
    const { lease, nextLookAt } = await story.row(pull);
    expect(nextLookAt).toBe(lease?.until);
  });

  it('that passed to another run in the middle lets the slow run write nothing more', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const { environments } = platform.ports;
    platform.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      platform.watch = undefined;
      const done = await perform();
      const end = platform.clock.now() + LEASE;
      await environments.claim(key, undefined, { id: 'another', until: end + LEASE }, end);
      return done;
    };
    await platform.deliverAll();
    expect((await story.row(pull)).lease?.id).toBe('another');
    expect((await story.state(pull)).ingress).toBeUndefined();
    expect((await story.whatExists()).tunnels).toEqual([]);
    // The row needs no check, and the message does not come back.
    expect(platform.logs.filter(({ level }) => level !== 'info')).toEqual([]);
    expect(platform.records.trace(key)).toEqual([]);
    expect(platform.queue.messages().filter(({ receives }) => receives > 0)).toEqual([]);
  });

  it.each([
    ['more often than the run has steps', false],
    ['and on while it releases the row', true],
  ])('of a row that gets messages %s ends with a cut run, whose work is kept', async (_how, forEver) => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const key = story.key(pull);
    const cuts = () => platform.logs.filter(({ message }) => message === 'a run of too many steps was cut');
    let afterTheCut = 0;
    platform.watch = async (call, perform) => {
      if (call !== 'dynamodb UpdateItem environments release') return perform();
      if (cuts().length > 0) afterTheCut += 1;
      if (forEver || afterTheCut <= 1)
        await platform.ports.environments.wake(key, undefined, platform.clock.now());
      return perform();
    };
    await platform.deliverAll();
    expect(cuts()).toEqual([expect.objectContaining({ level: 'error', environment: key })]);
    const { lease } = await story.row(pull);
    expect(lease !== undefined).toBe(forEver);
    const releases = platform.calls.filter((call) => call === 'dynamodb UpdateItem environments release');
    expect(releases.length).toBeLessThanOrEqual(MAX_STEPS + RELEASE_TRIES);
    const { told } = await story.state(pull);
    expect(told?.data).toMatchObject({ status: { sha: pull.headSha } });

    platform.watch = undefined;
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('is released before the function’s time is over, and the work goes on in another run', async () => {
    const story = createStory(createTestPlatform({ latency: 3_000 }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(20));
    expect((await story.state(pull)).phase).toBe('ready');
    const trace = platform.records.trace(story.key(pull));
    expect(trace.map(({ outcome }) => outcome)).toContain('out of time, going on at once');
  });
});

describe('timers', () => {
  it('do not multiply, because a wait has one, however many messages came', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'silent';
    const pull = story.openPullRequest();
    await platform.advance(10_000);
    for (let count = 0; count < 20; count += 1) story.redeliver(pull);
    await platform.advance(minutes(5));
    platform.calls.length = 0;
    await platform.advance(minutes(2));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
    expect(
      platform.calls.filter((call) => call === 'dynamodb UpdateItem environments release').length,
    ).toBeLessThanOrEqual(2);
  });

  it('that are too late do nothing', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(20));
    platform.calls.length = 0;
    const environment = story.key(pull);
    await platform.ports.jobs.send({
      v: 1,
      kind: 'wake',
      delivery: 'd',
      environment,
      cause: 'due',
      timer: true,
    });
    await platform.deliverAll();
    expect(platform.calls).toEqual(['dynamodb UpdateItem environments claimIfDue']);
  });

  it('of a row that waits for ever are 12 in a row, and then only the sweep wakes it', async () => {
    const { platform, pull, row, runs } = await waitsForAMachine();
    await platform.advance(hours(5));
    expect(runs()).toBe(1 + MAX_TIMERS_IN_A_ROW);
    expect(platform.queue.messages()).toEqual([]);
    expect((await row(pull)).nextLookAt).toBeLessThan(platform.clock.now());

    await platform.sweep('due');
    await platform.advance(hours(5));
    expect(runs()).toBe(2 * (1 + MAX_TIMERS_IN_A_ROW));

    await platform.sweep('due');
    platform.ec2.knobs.noCapacityIn.clear();
    await platform.advance(minutes(10));
    expect((await row(pull)).state).toMatchObject({ phase: 'ready' });
  });

  it.each([
    ['a webhook', ({ redeliver }: Story, pull: PullRequest) => redeliver(pull)],
    ['a change of the operator’s setting', ({ platform }: Story) => platform.sweep('wake-all')],
  ])('are counted anew after %s', async (_who, speak) => {
    const { story, platform, pull, runs } = await waitsForAMachine();
    while (runs() < MAX_TIMERS_IN_A_ROW) await platform.advance(minutes(1));
    await speak(story, pull);
    await platform.deliverAll();
    const before = runs();
    await platform.advance(hours(5));
    expect(runs() - before).toBe(MAX_TIMERS_IN_A_ROW);
  });

  it('are counted anew after a message that came in the middle of a run', async () => {
    const { story, platform, pull, runs } = await waitsForAMachine();
    while (runs() < MAX_TIMERS_IN_A_ROW) await platform.advance(minutes(1));
    platform.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      platform.watch = undefined;
      story.redeliver(pull);
      await platform.deliverAll();
      return perform();
    };
    while (platform.watch) await platform.advance(1_000);
    const before = runs();
    await platform.advance(hours(5));
    expect(runs() - before).toBe(MAX_TIMERS_IN_A_ROW);
  });

  it('make no chain of runs so long that Lambda ends it, whatever begins it or holds it up', async () => {
    const { story, platform, pull } = await waitsForAMachine();
    await platform.advance(hours(5));
    platform.github.repositories.update(story.repository, story.author, { name: 'store' });
    await platform.advance(hours(5));
    story.redeliver(pull);
    const now = platform.clock.now();
    await platform.ports.environments.claim(
      story.key(pull),
      undefined,
      { id: 'died', until: now + LEASE },
      now,
    );
    await platform.advance(hours(5));
    // The message about the repository, the one that it passes on to the row, and the row's timers.
    expect(platform.longestChain).toBe(2 + MAX_TIMERS_IN_A_ROW);
    expect(platform.longestChain).toBeLessThan(16);
  });
});

describe('the trace', () => {
  it('has cause, delivery, step and outcome of everything that was done', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const trace = platform.records.trace(story.key(pull));
    expect(trace[0]).toMatchObject({ cause: 'pull_request opened', step: 'read-settings' });
    expect(trace.map(({ step }) => step)).toEqual(
      expect.arrayContaining(['launch-host', 'open-address', 'write-spec', 'report', 'wait']),
    );
    const opened = platform.github.state.deliveries.find(({ event }) => event === 'pull_request');
    expect(trace[0]?.delivery).toBe(opened?.guid);
    expect(trace.at(-1)).toMatchObject({ step: 'wait', outcome: 'nothing to do' });
  });

  it('has all three reports of another state, and only the comment for a host’s warning', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
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
      platform.mailbox.report(instanceId, file, JSON.stringify(body));
      return platform.advance(1_000);
    };
    platform.calls.length = 0;
    await report('progress', { revision: 1, stage: 'building' });
    expect(story.comment(pull)).toContain('a warning');
    const told = () => platform.calls.filter((call) => /^github .*(comment|status|deployment)/.test(call));
    expect(told()).toEqual(['github issues/update-comment']);
    await report('result', { sha: pull.headSha, outcome: 'ready' });
    const trace = platform.records.trace(story.key(pull)).filter(({ step }) => step === 'report');
    expect(trace.map(({ outcome }) => outcome)).toEqual([
      'deployment, comment, status',
      'comment',
      'deployment, comment, status',
    ]);
  });

  it('has what failed, and the log has why', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call !== 'cloudflare tunnelToken') return perform();
      platform.watch = undefined;
      throw new TypeError('undefined is not a function');
    };
    await platform.advance(minutes(10));
    const environment = story.key(pull);
    expect(platform.records.trace(environment)).toContainEqual(
      expect.objectContaining({ step: 'write-spec', outcome: 'transient: unknown' }),
    );
    expect(platform.logs).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        environment,
        step: 'write-spec',
        cause: 'TypeError: undefined is not a function',
      }),
    );
  });
});

async function waitsForAMachine() {
  const story = createStory();
  const { platform, row } = story;
  platform.ec2.knobs.noCapacityIn.add('t3.small');
  const pull = story.openPullRequest();
  await platform.deliverAll();
  const runs = () =>
    platform.calls.filter((call) => call === 'dynamodb UpdateItem environments release').length;
  return { story, platform, row, pull, runs };
}

function readyResult(generation: number, sha: string): string {
  const rest = { at: 1, outcome: 'ready', services: [], warnings: [], timings: {} };
  return JSON.stringify({ v: 1, generation, sha, ...rest });
}
