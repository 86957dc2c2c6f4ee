import { describe, expect, it } from 'vitest';
import { createStory, minutes, nothing } from '../fakes/story.ts';
import type { PortCall } from '../fakes/watch-ports.ts';

/**
 * What each call of a port costs at the vendor, read off the adapters. Not counted: what the SDK repeats
 * after an error, what Lambda's own polling of the queue costs.
 */
const githubPrices: Partial<Record<PortCall, number>> = {
  'github.read': 1,
  'github.readRoot': 1,
  'github.readFile': 1,
  'github.openPullsOf': 1,
  'github.archiveUrl': 1,
  'github.checkoutToken': 1,
  'github.upsertComment': 1,
  'github.setStatus': 1,
  'github.findDeployments': 1,
  'github.readComment': 1,
  'github.readStatus': 1,
  'github.readDeploymentState': 1,
  'github.createDeployment': 1,
  'github.setDeploymentStatus': 1,
};
/** The installation's token, once an hour; the list in which the first comment is looked for. */
const GITHUB_EXTRA = 2;
const cloudflarePrices: Partial<Record<PortCall, number>> = {
  'tunnels.ensureTunnel': 1,
  'tunnels.findTunnel': 1,
  'tunnels.configure': 1,
  'tunnels.token': 1,
  'tunnels.ensureRecord': 1,
  'tunnels.findRecord': 1,
  'tunnels.deleteRecord': 1,
  'tunnels.deleteTunnel': 3,
};
/** List and delete; what the operator says is remembered (its reads are counted); everything else is one call. */
const awsPrices: Partial<Record<PortCall, number>> = { 'mailbox.clear': 2, 'operator.pause': 0 };

function cost(calls: readonly PortCall[]) {
  const sum = (prices: Partial<Record<PortCall, number>>) =>
    calls.reduce((total, call) => total + (prices[call] ?? 0), 0);
  const atAws = calls.filter((call) => !/^(github|tunnels)\./.test(call));
  return {
    github: sum(githubPrices) + GITHUB_EXTRA,
    cloudflare: sum(cloudflarePrices),
    aws: atAws.reduce((total, call) => total + (awsPrices[call] ?? 1), 0),
  };
}

describe('opened, pushed once and closed, with two services', () => {
  it('costs at most 28 calls of GitHub, 12 of Cloudflare and 60 of AWS', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(20));
    story.push(pull);
    await world.advance(minutes(20));
    story.close(pull);
    await world.advance(minutes(20));

    expect(await story.whatExists()).toEqual(nothing);
    const { github, cloudflare, aws } = cost(world.calls);
    expect(github).toBeLessThanOrEqual(28);
    expect(cloudflare).toBeLessThanOrEqual(12);
    expect(aws + world.operator.reads).toBeLessThanOrEqual(60);
  });
});
