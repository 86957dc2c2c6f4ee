import { describe } from 'vitest';
import { createWorld } from '../fakes/create-world.ts';
import { minutes } from '../fakes/story.ts';
import { closeWhileLaunched, describeTale, expectGone, type Stage, type Tale, tales } from './crash-tales.ts';

const onEc2: Stage = { tell: (config, tell) => tell(createWorld({ config })) };

const toldLate: Tale = {
  name: 'closed while it is being launched, and EC2 tells of new machines late',
  async prepare(story) {
    story.world.ec2.knobs.staleReadMs = minutes(2);
    return undefined;
  },
  act: closeWhileLaunched,
  expected: expectGone,
};

describe('a crash, where environments are machines of EC2:', () => {
  for (const tale of [...tales, toldLate]) describeTale(onEc2, tale);
});
