import { expect } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import type { Story } from '../fakes/story.ts';

/** The head commit is served by one machine, nothing else exists, and the status says so. */
export async function expectServed(story: Story, pull: PullRequest): Promise<void> {
  const { hostname, host } = await story.state(pull);
  expect(await story.whatExists()).toEqual({
    instances: [instanceOf(host ? { host } : {})],
    tunnels: [expect.any(String)],
    records: [`api--${hostname}`, hostname],
    mailboxes: [instanceOf(host ? { host } : {})],
    hostRows: [instanceOf(host ? { host } : {})],
    deployments: [pull.headSha],
  });
  expect(story.world.hosts.serving(instanceOf(host ? { host } : {}) ?? '')).toBe(pull.headSha);
  expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
}
