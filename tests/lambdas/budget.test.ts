import { describe, expect, it } from 'vitest';
import { createStory, minutes, nothing } from '../fakes/story.ts';

/** What the SDK repeats after an error and what Lambda's polling of the queue costs are not counted. */
function callsTo(vendor: RegExp, calls: readonly string[]): number {
  return calls.filter((call) => vendor.test(call)).length;
}

describe('a pull request with two services that is opened, pushed to once and closed', () => {
  it('costs at most 28 calls of GitHub, 12 of Cloudflare and 60 of AWS', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(20));
    story.push(pull);
    await platform.advance(minutes(20));
    story.close(pull);
    await platform.advance(minutes(20));

    expect(await story.whatExists()).toEqual(nothing);
    expect(callsTo(/^github /, platform.calls)).toBeLessThanOrEqual(28);
    expect(callsTo(/^cloudflare /, platform.calls)).toBeLessThanOrEqual(12);
    expect(callsTo(/^(dynamodb|ec2|s3|sqs|ssm) /, platform.calls)).toBeLessThanOrEqual(60);
  });
});
