import { describe, expect, it } from 'vitest';
import { newState } from '#core/environment';
import { environmentKey } from '#core/environment-key';
import { createTestPlatform, shaOf, type TestPlatform } from '../fakes/create-test-platform.ts';
import { dieAt } from '../fakes/die-at.ts';
import { samplePull } from '../fakes/sample-state.ts';
import { minutes, nothing, recover, whatExists } from '../fakes/story.ts';
import { beside } from './beside.ts';
import { plainForge } from './plain-forge.ts';

/** The same story as on GitHub, on a forge without installations, comments, statuses or deployments. */
const KEY = environmentKey(7, 1, 'plain');
const [first, second] = [shaOf('one'), shaOf('two')];

function createScene() {
  const forge = plainForge();
  const platform = createTestPlatform({ forge: forge.connect, config: { REPOSITORIES: 'plain:acme/*' } });
  return { platform, ...beside(platform, forge, 7) };
}
type Scene = ReturnType<typeof createScene>;

async function open(scene: Scene): Promise<void> {
  scene.change({ sha: first }, 'opened');
  await scene.platform.advance(minutes(15));
}
const rowOf = (platform: TestPlatform) => platform.ports.environments.read(KEY);

describe('a forge without anything of GitHub', () => {
  it('has its changes opened, pushed, closed and reopened', async () => {
    const scene = createScene();
    const { platform } = scene;
    await open(scene);
    const row = await rowOf(platform);
    expect(row).toMatchObject({
      forge: 'plain',
      source: { access: '' },
      state: { phase: 'ready', access: '' },
    });
    expect(scene.lastNote()).toContain(
      `Preview is ready (${first.slice(0, 7)}) https://${row?.state.hostname}`,
    );
    expect(row?.state.told).toMatchObject({ kind: 'plain' });

    scene.change({ sha: second }, 'pushed');
    await platform.advance(minutes(15));
    expect(scene.lastNote()).toContain(`Preview is ready (${second.slice(0, 7)})`);

    scene.change({ state: 'closed' }, 'closed');
    await platform.advance(minutes(15));
    expect(await whatExists(platform)).toEqual(nothing);
    expect(scene.lastNote()).toContain('Preview removed');

    scene.change({ state: 'open' }, 'reopened');
    await platform.advance(minutes(15));
    expect(scene.lastNote()).toContain(`Preview is ready (${second.slice(0, 7)})`);
    const reopened = await rowOf(platform);
    expect(platform.units.served(reopened?.state.host?.handle)).toBe(second);
    expect(platform.calls.filter((call) => call.startsWith('github '))).toEqual([]);
  });

  it.each(['before', 'after'])('comes to the same end when a run dies %s any call', async (when) => {
    const sane = createScene();
    await open(sane);
    const wrong: string[] = [];
    for (let at = 1; at <= sane.platform.calls.length; at += 1) {
      const scene = createScene();
      scene.platform.watch = dieAt(at, when);
      await open(scene);
      scene.platform.watch = undefined;
      await recover(scene.platform);
      if (scene.lastNote() !== sane.lastNote()) wrong.push(`call ${at}: ${scene.lastNote()}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is swept like any other', async () => {
    const scene = createScene();
    await open(scene);
    await scene.platform.sweep('due');
    await scene.platform.sweep('compare');
    await scene.platform.deliverAll();
    expect((await rowOf(scene.platform))?.state.phase).toBe('ready');
  });

  it('has a dead message in its own trace', async () => {
    const scene = createScene();
    const { platform } = scene;
    platform.watch = async () => {
      throw new Error('nobody answers');
    };
    await open(scene);
    await platform.advance(minutes(60));
    expect(platform.queue.deadLetters()).toHaveLength(1);
    platform.watch = undefined;
    await platform.sweep('due');
    expect(platform.records.trace(KEY).map(({ cause }) => cause)).toContain('dead letter');
    await platform.advance(minutes(15));
    expect(scene.lastNote()).toContain('Preview is ready');
  });

  it('is not deployed because an owner of the same name on GitHub is listed', async () => {
    const forge = plainForge();
    const platform = createTestPlatform({ forge: forge.connect, config: { REPOSITORIES: 'acme/*' } });
    await open({ platform, ...beside(platform, forge, 7) });
    expect((await rowOf(platform))?.state.phase).toBe('declined');
  });
});

describe('a key of a forge that this Eph does not have', () => {
  it('makes no row, and a row that has it is kept and reported to the operator', async () => {
    const platform = createTestPlatform();
    const forge = plainForge();
    const { change } = beside(platform, forge, 7);
    change({ sha: first }, 'opened');
    await platform.advance(minutes(15));
    expect(platform.rows.all()).toEqual([]);

    const source = { access: '', owner: 'acme', name: 'shop', delivery: 'd' };
    await platform.ports.environments.wake(KEY, source, platform.clock.now());
    const before = await rowOf(platform);
    change({ sha: first }, 'opened');
    await platform.advance(minutes(15));
    expect(await rowOf(platform)).toEqual(before);
    expect(platform.logs).toContainEqual(expect.objectContaining({ level: 'error', environment: KEY }));
  });

  it('is not checked every hour for what was reported', async () => {
    const platform = createTestPlatform();
    const { now } = platform.ports;
    const source = { access: '', owner: 'acme', name: 'shop', delivery: 'd' };
    await platform.ports.environments.claim(KEY, source, { id: 'a', until: now() + 1 }, now());
    const told = { kind: 'plain', v: 1, data: 'words' };
    const state = { ...newState(0), pull: { ...samplePull, state: 'closed' as const }, told };
    const release = { wakes: 1, state, nextLookAt: undefined, acted: true };
    await platform.ports.environments.release(KEY, { leaseId: 'a', write: 1 }, release);
    await platform.sweep('compare');
    expect(platform.queue.receive()).toBeUndefined();
  });

  it('is not read, as a key of a newer form, whose row is kept', async () => {
    const platform = createTestPlatform();
    const { environments, now } = platform.ports;
    const source = { access: '', owner: 'acme', name: 'shop', delivery: 'd' };
    await environments.wake('7#1', source, now());
    platform.rows.put({ ...platform.rows.get('7#1'), key: '7!1' });
    expect(await environments.read('7!1')).toBeUndefined();
    expect(await environments.all()).toMatchObject({ rows: [{ key: '7#1' }], unreadable: ['7!1'] });
  });
});
