import { describe, expect, it } from 'vitest';
import { keyedHash } from '../../lambdas/keyed-hash.ts';
import type { MailboxSpec } from '../../lambdas/providers/ec2/mailbox.ts';
import type { Run } from '../../lambdas/reconcile/run.ts';
import { writeSpec } from '../../lambdas/reconcile/write-spec.ts';
import { createStory, minutes, type Story } from '../fakes/story.ts';

async function mailboxSpecOf(story: Story): Promise<MailboxSpec | undefined> {
  const { instances } = await story.whatExists();
  return story.platform.mailbox.spec(instances[0] ?? '');
}

describe('secrets of a repository', () => {
  it('are in the deployment spec of its machine, and in no row, trace or log', async () => {
    const story = createStory();
    const { platform, repository } = story;
    platform.secrets.set(repository.id, { API_KEY: 'hunter2-hunter2' });
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    expect((await mailboxSpecOf(story))?.secrets).toEqual({ API_KEY: 'hunter2-hunter2' });
    const written = [await story.row(pull), platform.records.trace(story.key(pull)), platform.logs];
    expect(JSON.stringify(written)).not.toContain('hunter2');
  });

  it('that change apply at the next deploy', async () => {
    const story = createStory();
    const { platform, repository } = story;
    platform.secrets.set(repository.id, { API_KEY: 'old' });
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.secrets.set(repository.id, { API_KEY: 'new' });
    story.push(pull);
    await platform.advance(minutes(10));
    expect((await mailboxSpecOf(story))?.secrets).toEqual({ API_KEY: 'new' });
  });

  it('are not given to the machines of another repository', async () => {
    const story = createStory();
    story.platform.secrets.set(story.repository.id + 1, { API_KEY: 'theirs' });
    story.openPullRequest();
    await story.platform.advance(minutes(10));
    expect((await mailboxSpecOf(story))?.secrets).toEqual({});
  });

  it('are read for deployment specs only', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.redeliver(pull);
    await platform.advance(minutes(10));
    expect(platform.calls.filter((call) => call === 'ssm GetParametersByPath')).toHaveLength(1);
  });

  it('that cannot be read hold back the deployment spec of their repository alone', async () => {
    const story = createStory();
    const { platform } = story;
    let failures = 2;
    platform.watch = async (call, perform) => {
      if (call === 'ssm GetParametersByPath' && failures > 0) {
        failures -= 1;
        throw new Error('Parameter Store is down');
      }
      return perform();
    };
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('a fork', () => {
  it('is not deployed, and the secrets of the repository are not read for it', async () => {
    const story = createStory();
    const { platform, repository } = story;
    platform.secrets.set(repository.id, { API_KEY: 'hunter2' });
    const stranger = platform.github.addAccount('eve', 'User');
    const from = platform.github.repositories.create(stranger, stranger, {
      name: 'shop',
      parentId: repository.id,
    });
    const pull = story.openPullRequest({ from });
    await platform.advance(minutes(10));
    story.push(pull);
    await platform.advance(minutes(10));
    expect(platform.calls).not.toContain('ssm GetParametersByPath');
    expect(platform.mailbox.objects()).toEqual([]);
  });

  it('that gets a deployment spec all the same gets one without secrets', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.secrets.set(repository.id, { API_KEY: 'hunter2' });
    platform.calls.length = 0;
    await writeSpec(await asFork(story, story.key(pull)));
    const spec = await mailboxSpecOf(story);
    expect(spec).toMatchObject({ generation: 2, trusted: false });
    expect(spec?.secrets).toEqual({});
  });
});

/** A run over the row as if its pull request came from a fork, which the decline before it would not let through. */
async function asFork({ platform }: Story, key: string): Promise<Run> {
  const now = platform.clock.now();
  const row = await platform.ports.environments.claim(
    key,
    undefined,
    { id: 'test', until: now + 1_000 },
    now,
  );
  const forge = platform.ports.forges.get(undefined);
  if (!row?.state.pull || !forge) throw new Error('there is no such row');
  const state = { ...row.state, pull: { ...row.state.pull, fork: true } };
  return {
    key,
    leaseId: 'test',
    cause: { delivery: 'd', cause: 'test' },
    row: { ...row, state },
    saved: row.state,
    deps: { ports: platform.ports, config: platform.config, nameHash: keyedHash('name key') },
    forge,
    account: { paidUntil: 0 },
    rechecked: false,
    asked: true,
    answered: false,
    writes: 0,
    hints: new Set(),
    pauseMaxAge: 0,
    events: [],
  };
}
