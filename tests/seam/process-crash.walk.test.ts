import { describe, expect, it } from 'vitest';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { createStory, minutes, recover } from '../fakes/story.ts';
import { expectServed } from '../lambdas/expect-served.ts';
import { describeTale, type Stage, tales } from './crash-tales.ts';
import { processPlace } from './github-place.ts';
import { processCloud } from './process-cloud.ts';

/** The same tales, where an environment is a process and there is no machine anywhere. */
const amongProcesses: Stage = {
  async tell(config, tell) {
    const cloud = processCloud();
    try {
      return await tell(processPlace(createTestPlatform({ config, cloud }), cloud));
    } finally {
      cloud.end();
    }
  },
};

/** Each call to a process waits for a real process, so not each call is tried. */
const EVERY = 10;

describe('a crash, where environments are processes:', () => {
  for (const tale of tales) describeTale(amongProcesses, tale, EVERY);
});

describe('a process', () => {
  /** Twelve moments of a minute and a half: booting, planning, building, serving, taking a push. */
  const moments = Array.from({ length: 12 }, (_, index) => index * 7_500 + 500);
  const PUSHED_AT = 60_000;

  it.each([
    ['is killed', 'kill'],
    ['is lost with its file', 'lose'],
  ] as const)('that %s at any moment serves in the end', async (_what, how) => {
    for (const moment of moments) {
      const cloud = processCloud();
      try {
        const story = createStory(createTestPlatform({ cloud }));
        const pull = story.openPullRequest();
        await story.platform.advance(Math.min(moment, PUSHED_AT));
        if (moment > PUSHED_AT) story.push(pull);
        await story.platform.advance(Math.max(0, moment - PUSHED_AT));
        expect(cloud.units()).toHaveLength(1);
        for (const name of cloud.units()) cloud[how](name);
        await story.platform.advance(minutes(10));
        await recover(story.platform);
        await expectServed(story, pull);
      } finally {
        cloud.end();
      }
    }
  });
});
