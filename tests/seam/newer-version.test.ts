import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import type { TestPlatform } from '../fakes/create-test-platform.ts';
import { createStory, hours, minutes, type Story } from '../fakes/story.ts';

/**
 * After a roll-back, what the newer version wrote, whole or in part, is kept, whatever messages come meanwhile, and
 * no other environment has to wait for the return of that version.
 */
const loose = v.looseObject({});
type Written = v.InferOutput<typeof loose>;

const newer = (handle: unknown) => ({ ...v.parse(loose, handle), v: 2 });
const inState = (change: (state: Written) => Written) => (row: Written) => ({
  ...row,
  state: change(v.parse(loose, row['state'])),
});

const parts: Record<string, (row: Written) => Written> = {
  'whole row': (row) => ({ ...row, v: 2, state: 'of a form to come' }),
  machine: inState((state) => {
    const host = v.parse(loose, state['host']);
    return { ...state, host: { ...host, handle: newer(host['handle']) } };
  }),
  address: inState((state) => ({ ...state, ingress: newer(state['ingress']) })),
};
const words = inState((state) => ({ ...state, told: newer(state['told']) }));

interface Scene {
  story: Story;
  platform: TestPlatform;
  pull: PullRequest;
}

async function rolledBack(change: (row: Written) => Written): Promise<Scene> {
  const story = createStory();
  const { platform } = story;
  const pull = story.openPullRequest();
  await platform.advance(minutes(30));
  platform.rewrite(story.key(pull), change);
  return { story, platform, pull };
}

/** The calls that change something in a cloud. */
const acts =
  /^(ec2 (Run|Start|Stop|Terminate)|s3 (Put|Delete)|ssm Send|cloudflare (create|delete|put|update|configure))/;
const actsOf = ({ calls }: TestPlatform) => calls.filter((call) => acts.test(call));
const told = ({ calls }: TestPlatform) =>
  calls.filter((call) => /^github (issues|repos)\/(create|update|delete)/.test(call));

/** The parts of a row that only its version may change. */
function remembered({ v: version, state }: Written = {}) {
  if (!v.is(loose, state)) return { version, state };
  const { host, ingress } = state;
  return { version, host: v.parse(loose, host)['handle'], ingress };
}

async function speakToIt({ story, platform, pull }: Scene): Promise<void> {
  const wake = { v: 1, kind: 'wake', delivery: 'd', environment: story.key(pull), cause: 'x' } as const;
  story.push(pull);
  await platform.advance(minutes(3));
  await platform.ports.jobs.send({ ...wake, suspect: true });
  await platform.advance(minutes(3));
  story.close(pull);
  await platform.advance(minutes(3));
  story.reopen(pull);
  await platform.advance(minutes(3));
  const [instance = ''] = (await story.whatExists()).instances;
  platform.mailbox.report(instance, 'result', '{}');
  await platform.ports.jobs.send({ ...wake, fresh: true });
  await platform.advance(minutes(30));
  await platform.sweep('due');
  await platform.advance(minutes(30));
}

describe.each(Object.entries(parts))('an environment whose %s is of a newer version', (_part, change) => {
  it('is left as it is, and no run acts on a cloud, whatever message comes', async () => {
    const scene = await rolledBack(change);
    const { story, platform, pull } = scene;
    const { deployments: _told, ...before } = await story.whatExists();
    const written = remembered(platform.rows.get(story.key(pull)));
    platform.calls.length = 0;
    await speakToIt(scene);
    expect(actsOf(platform)).toEqual([]);
    expect(told(platform)).toEqual([]);
    expect(await story.whatExists()).toMatchObject(before);
    expect(platform.queue.deadLetters()).toEqual([]);
    expect(remembered(platform.rows.get(story.key(pull)))).toEqual(written);
  });

  it('keeps all its units through garbage collections, which go on for the others', async () => {
    const { story, platform } = await rolledBack(change);
    const other = story.openPullRequest();
    await platform.tunnels.ensureTunnel('eph-test-77-7-0');
    await platform.advance(hours(1));
    const before = await story.whatExists();
    const [ofOther] = (await story.whatExists()).instances.slice(-1);
    platform.ec2.terminateInstances([ofOther ?? '']);
    for (let hour = 0; hour < 26; hour += 1) {
      await platform.sweep('compare');
      await platform.sweep('due');
      await platform.advance(hours(1));
    }
    const after = await story.whatExists();
    expect(after.instances.slice(0, -1)).toEqual(before.instances.slice(0, -1));
    expect(after.instances.at(-1)).not.toBe(ofOther);
    expect(after.tunnels.sort()).toEqual(before.tunnels.filter((name) => name !== 'eph-test-77-7-0').sort());
    expect(after.records).toEqual(before.records);
    expect(after.mailboxes).toContain(before.mailboxes[0]);
    expect(after.hostRows).toContain(before.hostRows[0]);
    expect(story.status(other)).toBe(`success: ${other.headSha.slice(0, 7)} is running`);
  });

  it('goes on by itself when that version, or its form, is back', async () => {
    const { story, platform, pull } = await rolledBack((row) => row);
    const before = structuredClone(platform.rows.get(story.key(pull)) ?? {});
    platform.rewrite(story.key(pull), change);
    story.push(pull);
    await platform.advance(minutes(5));
    platform.rewrite(story.key(pull), (row) => ({ ...row, v: before['v'], state: before['state'] }));
    await platform.sweep('compare');
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });
});

describe('a report of a newer version', () => {
  it('is not overwritten, and its environment goes on', async () => {
    const { story, platform, pull } = await rolledBack(words);
    const comment = story.comment(pull);
    platform.calls.length = 0;
    const sha = story.push(pull);
    await platform.advance(minutes(10));
    const { serving, told: handle } = await story.state(pull);
    expect(serving?.sha).toBe(sha);
    expect(handle).toMatchObject({ v: 2 });
    for (let hour = 0; hour < 3; hour += 1) {
      await platform.sweep('compare');
      await platform.advance(hours(1));
    }
    story.close(pull);
    await platform.advance(minutes(10));
    expect(await story.whatExists()).toMatchObject({ instances: [], tunnels: [], records: [] });
    expect(told(platform)).toEqual([]);
    expect(story.comment(pull)).toBe(comment);
  });
});

describe('a job about a whole repository', () => {
  it('reaches its other pull requests although one row cannot be read', async () => {
    const { story, platform } = await rolledBack(parts['whole row'] ?? ((row) => row));
    const other = story.openPullRequest();
    await platform.advance(minutes(10));
    const repository = { id: story.repository.id, owner: 'acme', name: 'shop' };
    const job = { v: 1, kind: 'installation', delivery: 'd', action: 'created', installationId: 1 };
    platform.calls.length = 0;
    expect(await platform.take(JSON.stringify({ ...job, repositoryIds: [repository.id] }))).toEqual({
      batchItemFailures: [],
    });
    expect(platform.queue.messages().some(({ body }) => body.includes(story.key(other)))).toBe(true);
  });
});
