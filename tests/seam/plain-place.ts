import { expect } from 'vitest';
import { environmentKey } from '#core/environment-key';
import { newClock } from '../fakes/clock.ts';
import { createControlPlane, shaOf } from '../fakes/create-control-plane.ts';
import { memoryQueue } from '../fakes/memory-queue.ts';
import { testConfig } from '../fakes/test-config.ts';
import { beside } from '../forges/beside.ts';
import { plainForge } from '../forges/plain-forge.ts';
import type { Life, Place } from './place.ts';
import { type PlainIngress, plainIngress } from './plain-ingress.ts';
import { type ProcessCloud, processCloud } from './process-cloud.ts';

/** No vendor anywhere: environments are processes, lines lead into them, and pull requests are changes with a note. */
export interface PlainPlace extends Place {
  cloud: ProcessCloud;
  ingress: PlainIngress;
  /** The commit that a visitor of this hostname sees. */
  visit(hostname: string): string | undefined;
  /** Ends all processes, and deletes all files of the place on this machine. */
  end(): void;
}

const REPOSITORY = 7;

export function plainPlace(config: Record<string, string> = {}): PlainPlace {
  const settings = testConfig({ REPOSITORIES: 'plain:acme/*', ...config });
  const clock = newClock();
  const queue = memoryQueue(clock);
  const cloud = processCloud();
  const ingress = plainIngress(clock.now, settings.PREVIEW_SUFFIX);
  const forge = plainForge();
  cloud.join({ now: clock.now, newId: clock.newId, push: queue.push });
  const platform = createControlPlane({
    config: settings,
    clock,
    queue,
    actors: [cloud],
    startProviders: () => (wire) => ({
      compute: cloud.connect(wire),
      ingress: ingress.connect(wire),
      forges: new Map([['plain', forge.connect(wire)]]),
    }),
  });
  let opened = 0;

  function visit(hostname: string): string | undefined {
    const token = ingress.tokenAt(hostname);
    const pages = cloud.units().flatMap((name) => cloud.page(name) ?? []);
    return pages.find((page) => page.token === token)?.sha;
  }

  const exists: Place['exists'] = async () => ({
    units: cloud.units(),
    stored: [],
    ways: ingress.lines(),
    addresses: ingress.names(),
    deployments: [],
  });

  function open(): Life {
    opened += 1;
    const key = environmentKey(REPOSITORY, opened, 'plain');
    const change = beside(platform, forge, REPOSITORY, opened);
    let sha = '';
    const push = (action: string): void => {
      sha = shaOf(clock.newId());
      change.change({ sha }, action);
    };
    const state: Life['state'] = async () => {
      const row = await platform.ports.environments.read(key);
      if (!row) throw new Error(`there is no row ${key}`);
      return row.state;
    };
    const texts = (): string[] => [change.lastNote()].filter((note) => note !== '');
    push('opened');
    return {
      head: () => sha,
      push: () => push('pushed'),
      close: () => change.change({ state: 'closed' }, 'closed'),
      reopen: () => change.change({ state: 'open' }, 'reopened'),
      state,
      texts,
      served: async () => visit((await state()).hostname ?? ''),
      async expectServed() {
        const { hostname = '', host } = await state();
        const addresses = [`api--${hostname}`, hostname];
        expect(await exists()).toEqual({
          units: [cloud.unitOf(host?.handle)],
          stored: [],
          ways: [expect.any(String)],
          addresses,
          deployments: [],
        });
        expect(addresses.map(visit)).toEqual([sha, sha]);
        expect(texts()).toEqual([expect.stringContaining(`Preview is ready (${sha.slice(0, 7)})`)]);
      },
    };
  }

  return {
    platform,
    cloud,
    ingress,
    build(outcome) {
      cloud.habits.build = outcome;
    },
    open,
    exists,
    visit,
    end: cloud.end,
  };
}
