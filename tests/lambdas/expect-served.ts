import { expect } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import type { Story } from '../fakes/story.ts';

/** The head commit is served by the one unit of this environment, nothing else exists, and the status says so. */
export async function expectServed(story: Story, pull: PullRequest): Promise<void> {
  const { hostname, host } = await story.state(pull);
  const { units } = story.platform;
  expect(await story.whatExists()).toEqual({
    ...units.expectedOf(host?.handle),
    tunnels: [expect.any(String)],
    records: [`api--${hostname}`, hostname],
    deployments: [pull.headSha],
  });
  expect(units.served(host?.handle)).toBe(pull.headSha);
  expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
}
