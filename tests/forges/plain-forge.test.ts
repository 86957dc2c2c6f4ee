import { describe, expect, it, onTestFinished } from 'vitest';
import { createWorld, Death, shaOf, type TestWorld } from '../fakes/create-world.ts';
import { samplePull } from '../fakes/sample-state.ts';
import { createStory, minutes, nothing, recover, whatExists } from '../fakes/story.ts';
import { processCloud } from '../seam/process-cloud.ts';
import { type PlainForge, plainForge } from './plain-forge.ts';

/** The same story as on GitHub, where there are no installations, comments, statuses or deployments. */
const repository = { id: 7, owner: 'acme', name: 'shop' };
const KEY = '7#1';

interface Scene {
  world: TestWorld;
  forge: PlainForge;
  change(changes: { sha?: string; state?: 'open' | 'closed' }, action: string): void;
}

function createScene(): Scene {
  const forge = plainForge();
  return sceneIn(createWorld({ forge: forge.connect }), forge);
}

function sceneIn(world: TestWorld, forge: PlainForge): Scene {
  return {
    world,
    forge,
    change(changes, action) {
      const pull = { ...samplePull, ...forge.changes.get(KEY), ...changes };
      forge.changes.set(KEY, pull);
      forge.files.set(pull.sha, { 'compose.yaml': '' });
      const job = { v: 1, kind: 'pull_request', delivery: action, action, repository, number: 1 };
      world.queue.push(JSON.stringify(job));
    },
  };
}

const [first, second] = [shaOf('one'), shaOf('two')];
const lastNote = ({ forge }: Scene) => forge.notes.get(KEY)?.at(-1) ?? '';

async function open(scene: Scene): Promise<void> {
  scene.change({ sha: first }, 'opened');
  await scene.world.advance(minutes(15));
}

describe('a forge without anything of GitHub', () => {
  it('has its changes opened, pushed, closed and reopened', async () => {
    const scene = createScene();
    const { world } = scene;
    await open(scene);
    const row = await world.ports.environments.read(KEY);
    expect(row).toMatchObject({ source: { access: '' }, state: { phase: 'ready', access: '' } });
    expect(lastNote(scene)).toBe(`Preview is ready (${first.slice(0, 7)}) https://${row?.state.hostname}`);
    expect(row?.state.told).toMatchObject({ kind: 'plain' });

    scene.change({ sha: second }, 'pushed');
    await world.advance(minutes(15));
    expect(lastNote(scene)).toContain(`Preview is ready (${second.slice(0, 7)})`);

    scene.change({ state: 'closed' }, 'closed');
    await world.advance(minutes(15));
    expect(await whatExists(world)).toEqual(nothing);
    expect(lastNote(scene)).toContain('Preview removed');

    scene.change({ state: 'open' }, 'reopened');
    await world.advance(minutes(15));
    expect(lastNote(scene)).toContain(`Preview is ready (${second.slice(0, 7)})`);
    const reopened = await world.ports.environments.read(KEY);
    expect(world.units.served(reopened?.state.host?.handle)).toBe(second);
    expect(world.calls.filter((call) => call.startsWith('github '))).toEqual([]);
  });

  it.each(['before', 'after'])('comes to the same end when a run dies %s any call', async (when) => {
    const sane = createScene();
    await open(sane);
    const wrong: string[] = [];
    for (let at = 1; at <= sane.world.calls.length; at += 1) {
      const scene = createScene();
      let count = 0;
      scene.world.watch = async (_call, perform) => {
        count += 1;
        if (count !== at) return perform();
        if (when === 'after') await perform();
        throw new Death();
      };
      await open(scene);
      scene.world.watch = undefined;
      await recover(scene.world);
      if (lastNote(scene) !== lastNote(sane)) wrong.push(`call ${at}: ${lastNote(scene)}`);
    }
    expect(wrong).toEqual([]);
  });

  it('has an environment, where environments are processes, beside one of GitHub’s of the same number and in the same zone', async () => {
    const github = createStory();
    const pull = github.openPullRequest();
    await github.world.advance(minutes(15));
    const forge = plainForge();
    const cloud = processCloud();
    onTestFinished(cloud.end);
    const config = { DEPLOYMENT_ID: 'plain' };
    const world = createWorld({ forge: forge.connect, cloud, clouds: github.world, config });
    const scene = sceneIn(world, forge);
    // Until keys say of which forge they are, two of the same repository and number would be one row.
    expect(github.key(pull)).not.toBe(KEY);
    expect(pull.number).toBe(1);
    await open(scene);
    scene.change({ state: 'closed' }, 'closed');
    await world.advance(minutes(15));
    scene.change({ state: 'open' }, 'reopened');
    await world.advance(minutes(15));
    expect(lastNote(scene)).toContain(`Preview is ready (${first.slice(0, 7)})`);
    const { host } = await github.state(pull);
    expect(github.world.units.served(host?.handle)).toBe(pull.headSha);
    expect(github.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect(pull.comments).toHaveLength(1);

    scene.change({ state: 'closed' }, 'closed');
    await world.advance(minutes(15));
    expect((await github.whatExists()).records).toHaveLength(2);
    expect(github.world.units.served(host?.handle)).toBe(pull.headSha);
  });

  it('is looked at by the sweep like any other', async () => {
    const scene = createScene();
    await open(scene);
    await scene.world.sweep('due');
    await scene.world.sweep('compare');
    await scene.world.deliverAll();
    expect((await scene.world.ports.environments.read(KEY))?.state.phase).toBe('ready');
  });
});
