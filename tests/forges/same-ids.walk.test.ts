import { afterEach, describe, expect, it } from 'vitest';
import { wantedHostnames } from '#core/environment';
import { environmentKey } from '#core/environment-key';
import { createTestPlatform, shaOf } from '../fakes/create-test-platform.ts';
import { dieAt } from '../fakes/die-at.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import type { OtherCloud } from '../fakes/other-cloud.ts';
import { createStory, minutes, recover } from '../fakes/story.ts';
import { type ProcessCloud, processCloud } from '../seam/process-cloud.ts';
import { beside } from './beside.ts';
import { plainForge } from './plain-forge.ts';

/** Repository and pull request have the same names and numbers on GitHub and on another forge, in one control plane. */
const first = shaOf('one');
const opened: ProcessCloud[] = [];
afterEach(() => {
  for (const cloud of opened.splice(0)) cloud.end();
});

function createScene(cloud?: OtherCloud) {
  const forge = plainForge();
  const config = { REPOSITORIES: 'acme/*,plain:acme/*' };
  const platform = createTestPlatform({ forge: forge.connect, config, ...(cloud ? { cloud } : {}) });
  const github = createStory(platform);
  const { id } = github.repository;
  const keys = { github: environmentKey(id, 1), plain: environmentKey(id, 1, 'plain') };
  return { platform, forge, github, keys, plain: beside(platform, forge, id) };
}
type Scene = ReturnType<typeof createScene>;

function amongProcesses(): ProcessCloud {
  const cloud = processCloud();
  opened.push(cloud);
  return cloud;
}

async function openBoth({ platform, github, keys, plain }: Scene) {
  const pull = github.openPullRequest();
  plain.change({ sha: first }, 'opened');
  await platform.advance(minutes(15));
  expect(github.key(pull)).toBe(keys.github);
  return pull;
}

const stateAt = async ({ platform }: Scene, key: string) =>
  (await platform.ports.environments.read(key))?.state;

describe.each([
  ['machines of EC2', () => undefined],
  ['processes', amongProcesses],
])('the same repository and number on two forges, where environments are %s', (_where, cloud) => {
  it('have each their own row, host, tunnel, address and reports', async () => {
    const scene = createScene(cloud());
    const { platform, github, keys, plain } = scene;
    const pull = await openBoth(scene);
    const [one, two] = [await stateAt(scene, keys.github), await stateAt(scene, keys.plain)];
    expect(platform.units.served(one?.host?.handle)).toBe(pull.headSha);
    expect(platform.units.served(two?.host?.handle)).toBe(first);

    const { instances, tunnels, records } = await github.whatExists();
    expect(instances).toHaveLength(2);
    expect(new Set(tunnels).size).toBe(2);
    const hostnames = [one, two].flatMap((state) => (state ? wantedHostnames(state) : []));
    expect(records).toEqual(hostnames.sort());
    expect(new Set(hostnames).size).toBe(4);
    expect(github.comment(pull)).toContain(`https://${one?.hostname}`);
    expect(pull.comments).toHaveLength(1);
    expect(github.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect(plain.lastNote()).toContain(`https://${two?.hostname}`);
  });

  it('are closed and checked one without the other', async () => {
    const scene = createScene(cloud());
    const { platform, github, keys, plain } = scene;
    const pull = await openBoth(scene);
    plain.change({ state: 'closed' }, 'closed');
    await platform.advance(minutes(15));
    const { host } = await github.state(pull);
    expect(platform.units.served(host?.handle)).toBe(pull.headSha);
    expect((await github.whatExists()).instances).toHaveLength(1);

    plain.change({ state: 'open' }, 'reopened');
    github.close(pull);
    await platform.advance(minutes(15));
    for (let hour = 0; hour < 3; hour += 1) {
      await platform.sweep('compare');
      await platform.advance(minutes(60));
    }
    expect(platform.units.served((await stateAt(scene, keys.plain))?.host?.handle)).toBe(first);
    expect(plain.lastNote()).toContain('Preview is ready');
    expect((await github.whatExists()).instances).toHaveLength(1);
  });
});

describe('a message about a repository on GitHub', () => {
  it('wakes no environment of the same id on another forge, and the other way round', async () => {
    const scene = createScene();
    const { platform, forge, github, keys, plain } = scene;
    await openBoth(scene);
    const { id } = github.repository;
    const { environments } = platform.ports;
    expect(await environments.ofRepository(id)).toEqual([keys.github]);
    expect(await environments.ofRepository(id, 'plain')).toEqual([keys.plain]);
    const wakesOf = async (key: string) => (await environments.read(key))?.wakes;
    const [one, two] = [await wakesOf(keys.github), await wakesOf(keys.plain)];
    const repository = { id, owner: 'acme', name: 'renamed' };
    const job = { v: 1, kind: 'repository', forge: 'plain', delivery: 'd', action: 'renamed', repository };
    platform.queue.push(JSON.stringify(job));
    await platform.advance(minutes(1));
    expect(await wakesOf(keys.github)).toBe(one);
    expect(await wakesOf(keys.plain)).toBeGreaterThan(two ?? 0);

    const access = { v: 1, kind: 'installation', forge: 'plain', delivery: 'd', action: 'suspend' };
    platform.queue.push(JSON.stringify({ ...access, repositoryIds: [id] }));
    const installationId = github.installation.id;
    platform.queue.push(JSON.stringify({ ...access, installationId, repositoryIds: [] }));
    await platform.advance(minutes(1));
    expect(await wakesOf(keys.github)).toBe(one);

    forge.retell = [1];
    plain.change({ sha: shaOf('two') }, 'pushed');
    await platform.advance(minutes(15));
    expect(await wakesOf(keys.github)).toBe(one);
    expect(forge.retell).toEqual([]);
    const woken = await wakesOf(keys.plain);

    platform.github.installations.remove(github.installation, github.author);
    await platform.advance(minutes(15));
    expect(await wakesOf(keys.plain)).toBe(woken);
    expect((await stateAt(scene, keys.github))?.away).toMatchObject({ why: 'no-access' });
    expect((await stateAt(scene, keys.plain))?.phase).toBe('ready');
  });

  it('wakes none for an access of the same number on another forge', async () => {
    const { environments, now } = createScene().platform.ports;
    const source = { access: '9', owner: 'acme', name: 'shop', delivery: 'd' };
    const keys = [environmentKey(7, 1), environmentKey(7, 1, 'plain')];
    for (const key of keys) await environments.wake(key, source, now());
    expect(await environments.ofAccess('9')).toEqual([keys[0]]);
    expect(await environments.ofAccess('9', 'plain')).toEqual([keys[1]]);
    expect(await environments.ofAccess('a word', 'plain')).toEqual([]);
  });

  it('lets through no commit of its merge queue for another forge', async () => {
    const { platform, github } = createScene();
    platform.config.REQUIRED_CHECK = true;
    const sha = 'd'.repeat(40);
    const repository = { id: github.repository.id, owner: 'acme', name: 'shop' };
    github.repository.branches.set('gh-readonly-queue/main/pr-1-abc', sha);
    const access = { installationId: github.installation.id };
    const job = { v: 1, kind: 'merge_group', delivery: 'd', action: 'a', repository, sha, ...access };
    await platform.take(JSON.stringify({ ...job, forge: 'plain' }));
    expect(platform.github.statuses.latest(github.repository, sha)).toEqual([]);
    await platform.take(JSON.stringify(job));
    expect(platform.github.statuses.latest(github.repository, sha)).toHaveLength(1);
  });

  it('about lost access does not change the same access on another forge', async () => {
    const scene = createScene();
    const { platform, forge, github, keys } = scene;
    await openBoth(scene);
    const lost = String(github.installation.id);
    forge.lost = lost;
    platform.github.installations.remove(github.installation, github.author);
    await platform.advance(minutes(5));
    const { records, now } = platform.ports;
    expect(await records.sightLostAccess(lost, now())).toMatchObject({ others: [] });
    await platform.ports.jobs.send({
      v: 1,
      kind: 'wake',
      delivery: 'd',
      environment: keys.plain,
      cause: 'test',
      access: true,
    });
    await platform.advance(minutes(5));
    expect((await stateAt(scene, keys.plain))?.lostAccess).toBe(lost);
    expect((await records.sightLostAccess(lost, now())).others).toHaveLength(1);
  });

  it('does not give its secrets to the same id on another forge', async () => {
    const scene = createScene();
    const { platform, github, keys } = scene;
    const { id } = github.repository;
    platform.secrets.set(id, { API_KEY: 'of github' });
    platform.secrets.set(`plain/${id}`, { API_KEY: 'of plain' });
    await openBoth(scene);
    const secretsOf = async (key: string) => {
      const { host } = (await stateAt(scene, key)) ?? {};
      return platform.mailbox.spec(instanceOf(host ? { host } : {}) ?? '')?.secrets;
    };
    expect(await secretsOf(keys.github)).toEqual({ API_KEY: 'of github' });
    expect(await secretsOf(keys.plain)).toEqual({ API_KEY: 'of plain' });
  });
});

describe('a run that dies while both are opened', () => {
  const endOf = async (scene: Scene, headSha: string) => {
    const { github, keys, platform, plain } = scene;
    const [one, two] = [await stateAt(scene, keys.github), await stateAt(scene, keys.plain)];
    const { instances, tunnels, records, hostRows, mailboxes } = await github.whatExists();
    const pull = [...github.repository.pulls.values()][0];
    return {
      served: [
        platform.units.served(one?.host?.handle) === headSha,
        platform.units.served(two?.host?.handle) === first,
      ],
      units: [instances, hostRows, mailboxes].map((units) => units.length),
      tunnels: [...tunnels].sort(),
      records,
      comments: pull?.comments.length,
      status: pull && github.status(pull)?.split(':')[0],
      note: plain.lastNote(),
    };
  };

  it.each(['before', 'after'])('%s any call comes to the same end', async (when) => {
    const sane = createScene();
    const expected = await endOf(sane, (await openBoth(sane)).headSha);
    expect(expected.served).toEqual([true, true]);
    const wrong: string[] = [];
    for (let at = 1; at <= sane.platform.calls.length; at += 1) {
      const scene = createScene();
      scene.platform.watch = dieAt(at, when);
      const pull = await openBoth(scene);
      scene.platform.watch = undefined;
      await recover(scene.platform);
      const end = await endOf(scene, pull.headSha);
      if (JSON.stringify(end) !== JSON.stringify(expected)) wrong.push(`call ${at}: ${JSON.stringify(end)}`);
    }
    expect(wrong).toEqual([]);
  });
});
