import { describe, expect, it } from 'vitest';
import { GithubError } from '../../local/github/github-error.ts';
import { Death } from '../fakes/create-control-plane.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, minutes, nothing, recover } from '../fakes/story.ts';

const running = (sha: string) => `success: ${sha.slice(0, 7)} is running`;

/** The run dies after that call, which reports a push to a preview that is ready. */
async function pushReportedByDeadRun(name = 'github repos/create-commit-status') {
  const story = createStory();
  const { platform } = story;
  const pull = story.openPullRequest();
  await platform.advance(minutes(10));
  story.push(pull);
  platform.watch = async (call, perform) => {
    const answer = await perform();
    if (call === name) throw new Death();
    return answer;
  };
  await platform.deliverAll();
  platform.watch = undefined;
  return { story, pull };
}

describe('the commit status', () => {
  it('of a build that was under way ends when the pull request is closed, or becomes a draft', async () => {
    const story = createStory();
    const { platform } = story;
    const closed = story.openPullRequest();
    const draft = story.openPullRequest();
    await platform.advance(minutes(1));
    expect(story.status(closed)).toMatch(/^pending/);
    story.close(closed);
    story.convertToDraft(draft);
    await platform.advance(minutes(5));
    expect(story.status(closed)).toBe('success: Preview removed');
    expect(story.status(draft)).toBe('success: No preview while this is a draft');
  });

  it('of a push that a run reported before it died ends when the pull request is closed', async () => {
    const { story, pull } = await pushReportedByDeadRun();
    const { platform } = story;
    expect(story.status(pull)).toMatch(/^pending/);
    story.close(pull);
    await recover(platform);
    expect(story.status(pull)).toBe('success: Preview removed');
  });

  it('that GitHub took while it answered that Eph calls too often ends when the pull request becomes a draft', async () => {
    const story = createStory();
    const { platform } = story;
    platform.watch = async (call, perform) => {
      const answer = await perform();
      if (call !== 'github repos/create-commit-status') return answer;
      const response = { headers: { 'retry-after': '60' } };
      throw Object.assign(new Error('You have exceeded a secondary rate limit'), { status: 403, response });
    };
    const pull = story.openPullRequest();
    await platform.deliverAll();
    platform.watch = undefined;
    expect(story.status(pull)).toMatch(/^pending/);
    story.convertToDraft(pull);
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe('success: No preview while this is a draft');
  });

  it('that a run which died may have reported is read at the end, and a failure stays one', async () => {
    const { story, pull } = await pushReportedByDeadRun();
    const { platform, repository } = story;
    const failed = { sha: pull.headSha, state: 'failure', context: 'eph/preview' } as const;
    const { bot } = platform.github.state.app;
    platform.github.statuses.create(repository, bot, {
      ...failed,
      description: 'It failed',
      targetUrl: null,
    });
    story.close(pull);
    await recover(platform);
    expect(story.status(pull)).toBe('failure: It failed');
  });

  it('that no run has reported is not begun at the end, also after a run that died', async () => {
    const { story, pull } = await pushReportedByDeadRun('github repos/create-deployment');
    const { platform } = story;
    expect(story.status(pull)).toBeUndefined();
    story.close(pull);
    await recover(platform);
    expect(story.status(pull)).toBeUndefined();
  });

  it('of a closed pull request leads to no dead address', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const [before] = platform.github.statuses.latest(repository, pull.headSha);
    expect(before?.targetUrl).toMatch(/^https/);
    story.close(pull);
    await platform.advance(minutes(5));
    const [after] = platform.github.statuses.latest(repository, pull.headSha);
    expect(after).toMatchObject({ state: 'success', description: 'Preview removed', targetUrl: null });
  });

  it('of a commit that two pull requests share is reported again for the one that stays', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const one = story.openPullRequest({ branch: 'shared' });
    repository.branches.set('other-base', 'b'.repeat(40));
    const two = platform.github.pulls.create(repository, author, {
      title: 'The same, into another branch',
      body: null,
      head: { repository, branch: 'shared' },
      base: 'other-base',
      draft: false,
    });
    await platform.advance(minutes(10));
    expect(two.headSha).toBe(one.headSha);
    story.close(one);
    await platform.advance(minutes(5));
    expect(story.status(two)).toBe(running(two.headSha));
  });

  it('that GitHub refuses is sent again in a plainer form', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'failed';
    platform.hosts.habits.failure = { code: 'x', sentence: 'The step “bäckerei” failed.', log: [] };
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    platform.github.faults.failNext('repos/create-commit-status', new GithubError(422, 'Validation Failed'));
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe('failure: The step backerei failed.');
  });

  it('of what is declined is green where the check is required', async () => {
    const story = createStory(
      createTestPlatform({ config: { REQUIRED_CHECK: 'true', REPOSITORIES: 'other/*' } }),
    );
    const { platform } = story;
    const draft = story.openPullRequest({ draft: true });
    const unlisted = story.openPullRequest();
    await platform.advance(minutes(5));
    expect(story.status(draft)).toBe('success: No preview while this is a draft');
    expect(story.status(unlisted)).toMatch(/^success: No preview for this repository/);
    expect([...draft.comments, ...unlisted.comments]).toEqual([]);
  });
});

describe('a merge queue', () => {
  const job = (story: ReturnType<typeof createStory>, sha: string) =>
    JSON.stringify({
      v: 1,
      kind: 'merge_group',
      delivery: 'd',
      action: 'checks_requested',
      installationId: story.installation.id,
      repository: { id: story.repository.id, owner: 'acme', name: 'shop' },
      sha,
    });
  const sha = 'd'.repeat(40);

  it('passes where the check is required, on the queue’s own commit and no other', async () => {
    const story = createStory(createTestPlatform({ config: { REQUIRED_CHECK: 'true' } }));
    const { platform, repository } = story;
    const main = repository.branches.get('main') ?? '';
    await platform.take(job(story, main));
    expect(platform.github.statuses.latest(repository, main)).toEqual([]);
    repository.branches.set('gh-readonly-queue/main/pr-1-abc', sha);
    await platform.take(job(story, sha));
    expect(platform.github.statuses.latest(repository, sha)).toMatchObject([
      { context: 'eph/preview', state: 'success', description: 'No preview for a merge queue' },
    ]);
  });

  it('gets no status from Eph where the check is not required', async () => {
    const story = createStory();
    story.repository.branches.set('gh-readonly-queue/main/pr-1-abc', sha);
    await story.platform.take(job(story, sha));
    expect(story.platform.calls).toEqual([]);
  });
});

describe('the comment', () => {
  it('is made only after its beginning is saved, so that a run that died leaves none unknown', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    let isSent = false;
    let saves = 0;
    platform.watch = async (call, perform) => {
      if (call === 'dynamodb UpdateItem builds build') isSent = true;
      if (call === 'dynamodb UpdateItem environments release') throw new Death();
      if (!isSent || call !== 'dynamodb UpdateItem environments save') return perform();
      saves += 1;
      // For some time, the writes of the spec, of the beginning and of the spec again have no answer and no effect.
      if (saves > 3) return perform();
      platform.clock.move(10_000);
      throw new Error('the connection was reset');
    };
    await platform.deliverAll();
    platform.watch = undefined;
    expect(story.comment(pull)).toContain('Preview is being built');
    story.close(pull);
    await recover(platform);
    expect(story.comment(pull)).toContain('Preview removed');
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that a person deleted does not come back when the preview ends', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    pull.comments = [];
    story.close(pull);
    await platform.advance(minutes(5));
    expect(pull.comments).toEqual([]);
    expect((await story.state(pull)).phase).toBe('destroyed');
  });

  it('that a person deleted comes back with the next change of a preview that lives', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    pull.comments = [];
    story.push(pull);
    await platform.advance(minutes(10));
    expect(pull.comments).toHaveLength(1);
  });
});

describe('a sentence that advises to push', () => {
  type Platform = ReturnType<typeof createStory>['platform'];
  const heal: (platform: Platform) => void = ({ hosts, ec2 }) => {
    Object.assign(hosts.habits, { build: 'ready', needs: undefined });
    ec2.knobs.noCapacityIn.clear();
  };

  it.each<[string, RegExp, (platform: Platform) => void]>([
    [
      'machines that never report',
      /another push tries again/,
      ({ hosts }) => (hosts.habits.build = 'silent'),
    ],
    [
      'a build without end',
      /Make the images smaller, then push/,
      ({ hosts }) => (hosts.habits.build = 'stuck'),
    ],
  ])('after %s is true', async (_what, sentence, harm) => {
    const story = createStory();
    const { platform } = story;
    harm(platform);
    const pull = story.openPullRequest();
    await platform.advance(minutes(60));
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect(story.comment(pull)).toMatch(sentence);
    heal(platform);
    story.push(pull);
    await platform.advance(minutes(15));
    expect(story.status(pull)).toBe(running(pull.headSha));
  });

  it('after a machine that was switched on and did not report is true, on the same disk', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const disk = instanceOf(await story.state(pull));
    story.close(pull);
    await platform.advance(minutes(10));
    platform.hosts.habits.build = 'silent';
    story.reopen(pull);
    await platform.advance(minutes(15));
    expect(story.comment(pull)).toContain('its disk is kept; another push switches it on again');
    expect(platform.ec2.find(disk ?? '')?.state).toBe('stopped');
    heal(platform);
    story.push(pull);
    await platform.advance(minutes(15));
    expect(story.status(pull)).toBe(running(pull.headSha));
    expect(instanceOf(await story.state(pull))).toBe(disk);
  });

  it('after an address that somebody else had is true, once it is free', async () => {
    const story = createStory();
    const { platform } = story;
    const first = story.openPullRequest();
    await platform.advance(minutes(10));
    const { hostname = '' } = await story.state(first);
    story.close(first);
    await platform.advance(minutes(10));
    const taken = platform.cloudflare.machine.createRecord({
      type: 'CNAME',
      name: hostname,
      content: 'elsewhere.example.com',
    });
    story.reopen(first);
    await platform.advance(minutes(10));
    expect(story.comment(first)).toMatch(/A DNS record for .* exists/);
    platform.cloudflare.machine.deleteRecord(taken.id);
    story.push(first);
    await platform.advance(minutes(10));
    expect(story.status(first)).toBe(running(first.headSha));
  });
});

describe('a commit in which there is nothing to run', () => {
  it('costs no machine and is not reported', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.files.set(pull.headSha, { 'README.md': '# Docs', 'docs/compose.yaml': 'services: {}' });
    await platform.advance(minutes(10));
    expect(platform.calls).not.toContain('ec2 RunInstances');
    expect(pull.comments).toEqual([]);
    expect(story.status(pull)).toBeUndefined();
    expect((await story.state(pull)).phase).toBe('declined');
  });

  it.each(['compose.yml', 'docker-compose.yaml', 'Dockerfile', 'eph.yaml', '.env'])(
    'is not one that has a %s in its root',
    async (name) => {
      const story = createStory();
      const { platform } = story;
      const pull = story.openPullRequest();
      platform.files.set(pull.headSha, { [name]: '' });
      await platform.advance(minutes(10));
      expect(story.status(pull)).toBe(running(pull.headSha));
    },
  );

  it('is deployed as soon as a push brings something', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.files.set(pull.headSha, { 'README.md': '' });
    await platform.advance(minutes(5));
    story.push(pull);
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(running(pull.headSha));
  });

  it('gets a hint about a file with a nearly right name', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.files.set(pull.headSha, { 'compose.yaml': '', 'eph.yml': 'primary: web' });
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain('`eph.yml` is not read: the file is called `eph.yaml`.');
  });
});
