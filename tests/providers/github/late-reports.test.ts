import { describe, expect, it } from 'vitest';
import { Death } from '../../fakes/create-control-plane.ts';
import { loseAnswer } from '../../fakes/lose-answer.ts';
import { createStory, hours, minutes, nothing, recover, type Story } from '../../fakes/story.ts';

async function compare({ platform }: Story): Promise<void> {
  await platform.advance(hours(1));
  await platform.sweep('compare');
  await platform.advance(minutes(5));
}

const activeDeployments = async (story: Story) => (await story.whatExists()).deployments;

describe('a report that takes effect after its sender gave up', () => {
  it('is ended where it is a second deployment, and the known one stays', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(await activeDeployments(story)).toEqual([pull.headSha, pull.headSha]);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
    expect(story.repository.deployments.at(-1)?.statuses.at(-1)?.state).toBe('inactive');
  });

  it('is ended where it is a deployment of a replaced commit', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment');
    const pull = story.openPullRequest();
    await platform.deliverAll();
    story.push(pull);
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(await activeDeployments(story)).toHaveLength(2);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
  });

  it('is ended where it is a deployment of a closed pull request', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment');
    const pull = story.openPullRequest();
    await platform.deliverAll();
    story.close(pull);
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(await activeDeployments(story)).toHaveLength(1);
    await compare(story);
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('does not end another pull request’s deployment of the same commit', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment');
    const one = story.openPullRequest({ branch: 'shared' });
    repository.branches.set('other-base', 'b'.repeat(40));
    platform.github.pulls.create(repository, author, {
      title: 'The same, into another branch',
      body: null,
      head: { repository, branch: 'shared' },
      base: 'other-base',
      draft: false,
    });
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(await activeDeployments(story)).toHaveLength(3);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([one.headSha, one.headSha]);
  });

  it('is ended where it is a second deployment of the same commit beside one that was found', async () => {
    const story = createStory();
    const { platform } = story;
    let late: (() => Promise<unknown>) | undefined;
    let count = 0;
    platform.watch = async (call, perform) => {
      if (call !== 'github repos/create-deployment') return perform();
      count += 1;
      if (count > 2) return perform();
      // The first takes effect later, the second does at once; neither has an answer.
      if (count === 1) late = perform;
      else await perform();
      throw new Error('the connection was reset');
    };
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    expect(count).toBe(2);
    await late?.();
    expect(await activeDeployments(story)).toHaveLength(2);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
  });

  it('is removed where it is a second comment, and the known one stays', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github issues/create-comment');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const known = story.comment(pull);
    await lost.comeTrue();
    expect(pull.comments).toHaveLength(2);
    await compare(story);
    expect(pull.comments).toHaveLength(1);
    expect(story.comment(pull)).toBe(known);
  });

  it('is removed where it is one of two further comments, and so is the other', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const lost = loseAnswer(story, 'github issues/create-comment');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const known = story.comment(pull);
    await lost.comeTrue();
    platform.github.comments.create(repository, pull, platform.github.state.app.bot, known ?? '');
    expect(pull.comments).toHaveLength(3);
    await compare(story);
    expect(pull.comments.map(({ body }) => body)).toEqual([known]);
  });

  it('is given up where it is a second comment that GitHub does not let Eph remove', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github issues/create-comment');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    await lost.comeTrue();
    platform.watch = async (call, perform) => {
      if (call !== 'github issues/delete-comment') return perform();
      throw Object.assign(new Error('Forbidden'), { status: 403, response: { headers: {} } });
    };
    await compare(story);
    await platform.advance(hours(3));
    expect(platform.calls).toContain('github issues/delete-comment');
    expect((await story.state(pull)).retries).toEqual({});
  });

  it('does not make Eph look for a second comment for ever', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github issues/create-comment');
    story.openPullRequest();
    await platform.advance(minutes(15));
    await lost.comeTrue();
    for (let hour = 0; hour < 3; hour += 1) await compare(story);
    const before = platform.calls.filter((call) => call === 'github issues/list-comments').length;
    await compare(story);
    expect(platform.calls.filter((call) => call === 'github issues/list-comments')).toHaveLength(before);
  });

  it('is corrected where it is an old state of a deployment', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment-status');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    await lost.comeTrue();
    const state = () => story.repository.deployments.at(-1)?.statuses.at(-1)?.state;
    expect(state()).toBe('in_progress');
    await compare(story);
    expect(state()).toBe('success');
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
  });

  it('is ended again where it is a state of a replaced deployment', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-deployment-status');
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    story.push(pull);
    await platform.advance(minutes(15));
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
    await lost.comeTrue();
    expect(await activeDeployments(story)).toHaveLength(2);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
  });

  it('is ended again where it is a state of a deployment that a dead run sent', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    let late: (() => Promise<unknown>) | undefined;
    platform.watch = async (call, perform) => {
      if (call !== 'github repos/create-deployment-status') return perform();
      late = perform;
      throw new Death();
    };
    await platform.advance(minutes(1));
    platform.watch = undefined;
    story.push(pull);
    await recover(platform);
    await late?.();
    expect(await activeDeployments(story)).toHaveLength(2);
    await compare(story);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
  });

  it('does not make Eph end again and again what GitHub does not let it end', async () => {
    const story = createStory();
    const { platform, repository } = story;
    loseAnswer(story, 'github repos/create-deployment-status');
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    const serves = () => repository.deployments.at(-1)?.statuses.at(-1)?.state === 'success';
    expect(serves()).toBe(true);
    story.push(pull);
    let refusals = 0;
    platform.watch = async (call, perform) => {
      const isRefused = repository.deployments.length === 2 && serves();
      if (call !== 'github repos/create-deployment-status' || !isRefused) return perform();
      refusals += 1;
      throw Object.assign(new Error('Forbidden'), { status: 403, response: { headers: {} } });
    };
    await platform.advance(hours(1));
    const before = refusals;
    for (let hour = 0; hour < 3; hour += 1) await compare(story);
    expect(before).toBeGreaterThan(0);
    expect(refusals).toBe(before);
  });

  it('is ended where it is a status of a closed pull request', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const lost = loseAnswer(story, 'github repos/create-commit-status');
    story.push(pull);
    await platform.deliverAll();
    // GitHub knows of no status of the commit yet.
    expect(story.status(pull)).toBeUndefined();
    story.close(pull);
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(story.status(pull)).toMatch(/^pending/);
    await compare(story);
    expect(story.status(pull)).toBe('success: Preview removed');
  });

  it('is overwritten where it is an old text over the new one', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const lost = loseAnswer(story, 'github issues/update-comment');
    story.push(pull);
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(story.comment(pull)).toContain('Updating the preview');
    await compare(story);
    expect(story.comment(pull)).toContain('Preview is ready');
  });

  it('is overwritten where it is an old status over the new one', async () => {
    const story = createStory();
    const { platform } = story;
    const lost = loseAnswer(story, 'github repos/create-commit-status');
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    await lost.comeTrue();
    expect(story.status(pull)).toMatch(/^pending/);
    await compare(story);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });
});

describe('the hourly check of what people see', () => {
  const questions = [
    'issues/get-comment',
    'repos/get-combined-status-for-ref',
    'repos/list-deployment-statuses',
    'repos/list-deployments',
  ];
  const asked = ({ platform }: Story) =>
    platform.calls.filter((call) => questions.some((name) => call === `github ${name}`)).length;

  it('costs three calls once after a report, and none until the next report', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    expect(asked(story)).toBe(0);
    await compare(story);
    expect(asked(story)).toBe(3);
    for (let hour = 0; hour < 5; hour += 1) await compare(story);
    expect(asked(story)).toBe(3);
    story.close(pull);
    await platform.advance(minutes(15));
    await compare(story);
    expect(asked(story)).toBe(6);
    for (let hour = 0; hour < 5; hour += 1) await compare(story);
    expect(asked(story)).toBe(6);
  });

  it('does not restore what a person deleted, or change another pull request’s status on the commit', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    pull.comments = [];
    platform.github.statuses.create(repository, platform.github.state.app.bot, {
      sha: pull.headSha,
      state: 'success',
      context: 'eph/preview',
      description: 'of another',
      targetUrl: 'https://another.eph.test',
    });
    await compare(story);
    expect(pull.comments).toEqual([]);
    expect(story.status(pull)).toBe('success: of another');
  });

  it('stops for an archived repository, where it can repair nothing, until that is not archived', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    platform.github.repositories.update(repository, author, { archived: true });
    await platform.advance(minutes(15));
    await compare(story);
    const before = platform.calls.length;
    await compare(story);
    expect(platform.calls.slice(before).filter((call) => call.startsWith('github repos'))).toEqual([]);
    expect(await activeDeployments(story)).toEqual([pull.headSha]);
    platform.github.repositories.update(repository, author, { archived: false });
    story.close(pull);
    await platform.advance(minutes(15));
    expect(story.status(pull)).toBe('success: Preview removed');
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('does not hold up anything when GitHub does not answer', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    platform.watch = async (call, perform) => {
      if (questions.some((name) => call === `github ${name}`)) throw new Error('GitHub is down');
      return perform();
    };
    await compare(story);
    expect(platform.logs).toContainEqual(expect.objectContaining({ step: 'recheck' }));
    story.push(pull);
    await platform.advance(minutes(15));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });
});
