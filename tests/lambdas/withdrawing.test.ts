import { describe, expect, it } from 'vitest';
import { Death } from '../fakes/create-test-platform.ts';
import { loseAnswer } from '../fakes/lose-answer.ts';
import { createStory, hours, minutes, nothing, type Story } from '../fakes/story.ts';

/** The next call of that name takes effect, and its run ends there. */
function dieAfter({ platform }: Story, name: string): void {
  platform.watch = async (call, perform) => {
    const answer = await perform();
    if (call !== name) return answer;
    platform.watch = undefined;
    throw new Death();
  };
}

async function resolves(story: Story, pull: Parameters<Story['state']>[0]): Promise<boolean> {
  const { hostname = '' } = await story.state(pull);
  return story.platform.cloudflare.machine.resolve(hostname) !== undefined;
}

const shows = (story: Story, pull: Parameters<Story['state']>[0], hostname: string) =>
  story.comment(pull)?.includes(`https://${hostname}`) === true;

describe('an address that is being removed', () => {
  const calls = [
    'cloudflare deleteRecord',
    'cloudflare editTunnel',
    'cloudflare deleteConnections',
    'cloudflare deleteTunnel',
  ];

  it.each(calls)(
    'by a run that dies after %s is removed first when the pull request is reopened',
    async (call) => {
      const story = createStory();
      const { platform } = story;
      const pull = story.openPullRequest();
      await platform.advance(minutes(15));
      dieAfter(story, call);
      story.close(pull);
      await platform.deliverAll();
      story.reopen(pull);
      await platform.advance(minutes(15));
      const { hostname = '', withdrawing } = await story.state(pull);
      expect(withdrawing).toBeUndefined();
      expect(shows(story, pull, hostname) && (await resolves(story, pull))).toBe(true);
      expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
      expect((await story.whatExists()).tunnels).toHaveLength(1);
    },
  );

  it.each(calls)('by a %s that takes effect late does not remove the next address too', async (call) => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const late = loseAnswer(story, call);
    story.close(pull);
    await platform.deliverAll();
    story.reopen(pull);
    await platform.advance(minutes(15));
    await late.comeTrue().catch(() => undefined);
    expect(await resolves(story, pull)).toBe(true);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('is not shown to people', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    const { hostname = '' } = await story.state(pull);
    let lost = 0;
    const wrong: string[] = [];
    platform.watch = async (call, perform) => {
      const answer = await perform();
      // Its name is gone, and the run that deleted it does not know.
      if (call === 'cloudflare deleteRecord' && ++lost === 1) throw new Error('the connection was reset');
      if (
        call === 'github issues/update-comment' &&
        shows(story, pull, hostname) &&
        !(await resolves(story, pull))
      )
        wrong.push(story.comment(pull) ?? '');
      return answer;
    };
    story.close(pull);
    await platform.deliverAll();
    story.reopen(pull);
    await platform.advance(minutes(15));
    expect(lost).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
    expect(shows(story, pull, hostname)).toBe(true);
  });
});

describe('an address that cannot be made yet', () => {
  it('is not shown to people', async () => {
    const story = createStory();
    const { platform } = story;
    platform.watch = async (call, perform) => {
      if (call === 'cloudflare createRecord') throw new Error('the connection was reset');
      return perform();
    };
    const pull = story.openPullRequest();
    await platform.advance(minutes(5));
    const { hostname = '' } = await story.state(pull);
    expect(story.comment(pull)).toContain('Preview is being built');
    expect(shows(story, pull, hostname)).toBe(false);
    platform.watch = undefined;
    await platform.advance(minutes(15));
    expect(shows(story, pull, hostname)).toBe(true);
  });
});

describe('what was begun for a commit that failed before its answer came', () => {
  it.each([
    ['machine', 'ec2 RunInstances'],
    ['tunnel', 'cloudflare createTunnel'],
    ['record', 'cloudflare createRecord'],
  ])('is not removed by the garbage collection as an orphan: a %s', async (_what, call) => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    dieAfter(story, call);
    await platform.deliverAll();
    story.push(pull, { 'eph.yaml': 'primary: [\n' });
    await platform.advance(hours(3));
    await platform.sweep('compare');
    await platform.advance(hours(1));
    await platform.sweep('compare');
    expect(story.comment(pull)).toContain('Preview failed');
    // A machine that no row knows is of no use; a machine or an address that a row knows waits for the next push.
    const left = call === 'ec2 RunInstances' ? 0 : 1;
    expect((await story.whatExists()).instances).toHaveLength(left);
    expect((await story.whatExists()).tunnels).toHaveLength(left);
    story.push(pull);
    await platform.advance(minutes(20));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    story.close(pull);
    await platform.advance(hours(30));
    expect(await story.whatExists()).toEqual(nothing);
  });
});
