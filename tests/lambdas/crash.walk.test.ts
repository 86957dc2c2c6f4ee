import { describe } from 'vitest';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { minutes } from '../fakes/story.ts';
import { closedWhileLaunched, describeTale, type Stage, tales } from '../seam/crash-tales.ts';
import { ec2Place } from '../seam/github-place.ts';

const onEc2: Stage = { tell: (config, tell) => tell(ec2Place(createTestPlatform({ config }))) };

const onLateEc2: Stage = {
  tell(config, tell) {
    const platform = createTestPlatform({ config });
    platform.ec2.knobs.staleReadMs = minutes(2);
    return tell(ec2Place(platform));
  },
};

describe('a crash, where environments are machines of EC2:', () => {
  for (const tale of tales) describeTale(onEc2, tale);
});

describe('a crash, where EC2 lists new machines late:', () => describeTale(onLateEc2, closedWhileLaunched));
