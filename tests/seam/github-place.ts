import type { TestWorld } from '../fakes/create-world.ts';
import { createStory } from '../fakes/story.ts';
import { expectServed } from '../lambdas/expect-served.ts';
import type { Life, Place } from './place.ts';
import type { ProcessCloud } from './process-cloud.ts';

/** Where environments are machines of EC2. */
export function ec2Place(world: TestWorld): Place {
  return githubPlace(world, (outcome) => {
    world.hosts.habits.build = outcome;
  });
}

/** Where they are processes. */
export function processPlace(world: TestWorld, cloud: ProcessCloud): Place {
  return githubPlace(world, (outcome) => {
    cloud.habits.build = outcome;
  });
}

/** Pull requests live on GitHub, and visitors come in by Cloudflare. */
function githubPlace(world: TestWorld, build: Place['build']): Place {
  const story = createStory(world);

  function open(): Life {
    const pull = story.openPullRequest();
    return {
      head: () => pull.headSha,
      push: () => story.push(pull),
      close: () => story.close(pull),
      reopen: () => story.reopen(pull),
      state: () => story.state(pull),
      texts: () => pull.comments.map(({ body }) => body),
      served: async () => world.units.served((await story.state(pull)).host?.handle),
      expectServed: () => expectServed(story, pull),
    };
  }

  return {
    world,
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
