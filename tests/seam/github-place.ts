import type { TestPlatform } from '../fakes/create-test-platform.ts';
import { createStory } from '../fakes/story.ts';
import { expectServed } from '../lambdas/expect-served.ts';
import type { Life, Place } from './place.ts';
import type { ProcessCloud } from './process-cloud.ts';

/** Where environments are machines of EC2. */
export function ec2Place(platform: TestPlatform): Place {
  return githubPlace(platform, (outcome) => {
    platform.hosts.habits.build = outcome;
  });
}

/** Where environments are processes. */
export function processPlace(platform: TestPlatform, cloud: ProcessCloud): Place {
  return githubPlace(platform, (outcome) => {
    cloud.habits.build = outcome;
  });
}

/** Pull requests live on GitHub, and visitors come in by Cloudflare. */
function githubPlace(platform: TestPlatform, build: Place['build']): Place {
  const story = createStory(platform);

  function open(): Life {
    const pull = story.openPullRequest();
    return {
      head: () => pull.headSha,
      push: () => story.push(pull),
      close: () => story.close(pull),
      reopen: () => story.reopen(pull),
      state: () => story.state(pull),
      texts: () => pull.comments.map(({ body }) => body),
      served: async () => platform.units.served((await story.state(pull)).host?.handle),
      expectServed: () => expectServed(story, pull),
    };
  }

  return {
    platform,
    build,
    open,
    async exists() {
      const { instances, mailboxes, hostRows, tunnels, records, deployments } = await story.whatExists();
      return {
        units: instances,
        stored: [...mailboxes, ...hostRows],
        ways: tunnels,
        addresses: records,
        deployments,
      };
    },
  };
}
