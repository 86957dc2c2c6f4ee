import { PutItemCommand, ScanCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lease, newState, type Source } from '#core/environment';
import { EVENT_SECONDS, ORPHAN_SIGHTING, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import { orderOf } from '#core/requests';
import { dynamoEnvironments } from '../../../lambdas/adapters/dynamo-environments.ts';
import { dynamoRecords } from '../../../lambdas/adapters/dynamo-records.ts';
import { dynamoTable } from '../../../lambdas/adapters/dynamo-table.ts';
import type { Environments, Records } from '../../../lambdas/ports.ts';
import type { Hosts } from '../../../lambdas/providers/ec2/ec2-ports.ts';
import { hostRows } from '../../../lambdas/providers/ec2/host-rows.ts';
import { hostKey } from '../../../lambdas/providers/ec2/host-writes.ts';
import { environmentWrites } from '../../../lambdas/store/environment-writes.ts';
import { recordRows } from '../../../lambdas/store/record-rows.ts';
import { recordKey } from '../../../lambdas/store/record-writes.ts';
import { itemSize } from '../../../local/aws/dynamodb-item-size.ts';
import { attributeMap } from '../../fakes/attribute-map.ts';
import { holder, leaving } from '../../fakes/holder.ts';
import { memoryEnvironments } from '../../fakes/memory-environments.ts';
import { memoryHosts } from '../../fakes/memory-hosts.ts';
import { memoryRecords } from '../../fakes/memory-records.ts';
import { memoryItems, memoryTable } from '../../fakes/memory-table.ts';
import { readyState, without } from '../../fakes/sample-state.ts';
import { atOnce } from '../../fakes/wire.ts';
import { startTables } from './start-tables.ts';
import type { Emulated } from './wire-servers.ts';

/** One suite for the fake and for the adapter on DynamoDB's wire, so that the fake behaves as the adapter does. */
let emulated: Emulated;

beforeAll(async () => {
  emulated = await startTables();
});
afterAll(() => emulated?.close());

let lastNumber = 0;
const repositoryId = () => {
  lastNumber += 1;
  return lastNumber;
};
const source: Source = { access: '9', owner: 'acme', name: 'shop', delivery: 'd1' };

const a = (until: number): Lease => ({ id: 'a', until });
const b = (until: number): Lease => ({ id: 'b', until });

const kinds: [string, () => { environments: Environments; records: Records & Hosts }][] = [
  [
    'in memory',
    () => ({ environments: memoryEnvironments(), records: { ...memoryRecords(), ...memoryHosts() } }),
  ],
  [
    'on DynamoDB',
    () => ({
      environments: dynamoEnvironments(emulated.dynamodb, 'environments'),
      records: {
        ...dynamoRecords(
          emulated.dynamodb,
          { builds: 'builds', events: 'events' },
          { now: () => 1_000, newId: () => String(Math.random()) },
        ),
        ...hostRows(dynamoTable(emulated.dynamodb, 'hosts', hostKey), () => 1_000),
      },
    }),
  ],
];

describe.each(kinds)('rows %s', (_where, make) => {
  let rows: Environments;
  let key: string;
  let repository: number;
  beforeEach(() => {
    rows = make().environments;
    repository = repositoryId();
    key = `${repository}#7`;
  });

  it('are made by a message about a pull request, counted, and not by any other message', async () => {
    expect(await rows.wake(key, undefined, 5)).toBeUndefined();
    expect(await rows.claim(key, undefined, a(10), 5)).toBeUndefined();
    expect(await rows.claimIfDue(key, a(10), 5)).toBeUndefined();
    expect(await rows.read(key)).toBeUndefined();
    expect(await rows.wake(key, source, 5)).toEqual({
      v: 1,
      key,
      repositoryId: repository,
      number: 7,
      wakes: 1,
      source,
      state: newState(5),
    });
    expect((await rows.wake(key, undefined, 5))?.wakes).toBe(2);
    const renamed = { ...source, name: 'store' };
    expect(await rows.wake(key, renamed, 5)).toMatchObject({ wakes: 3, source: renamed });
  });

  it('are made, counted and leased in one write', async () => {
    expect(await rows.claim(key, source, a(75), 5)).toEqual({
      v: 1,
      key,
      repositoryId: repository,
      number: 7,
      wakes: 1,
      source,
      lease: { id: 'a', until: 75 },
      nextLookAt: 75,
      dueAt: 75,
      state: newState(5),
    });
    await rows.release(key, holder('a'), leaving(1, newState(5), 60));
    const renamed = { ...source, name: 'store' };
    expect(await rows.claim(key, renamed, a(85), 10)).toMatchObject({ wakes: 2, source: renamed, dueAt: 60 });
  });

  it('are leased by one at a time, also where it asks again, and are due when the lease ends', async () => {
    await rows.claim(key, source, a(75), 0);
    expect(await rows.claim(key, source, b(150), 74)).toBeUndefined();
    expect(await rows.claim(key, undefined, b(150), 74)).toBeUndefined();
    expect(await rows.wake(key, undefined, 74)).toMatchObject({ wakes: 2, lease: { id: 'a', until: 75 } });
    expect(await rows.claim(key, undefined, a(75), 74)).toMatchObject({ lease: { id: 'a', until: 75 } });
    expect(await rows.claimIfDue(key, b(150), 74)).toBeUndefined();
    expect(await rows.claim(key, undefined, b(150), 75)).toMatchObject({
      lease: { id: 'b', until: 150 },
      nextLookAt: 150,
      dueAt: 75,
      takenFrom: 'a',
    });
    await rows.release(key, holder('b'), leaving((await rows.read(key))?.wakes ?? 0, newState(0)));
    expect(await rows.claim(key, undefined, a(300), 200)).not.toHaveProperty('takenFrom');
  });

  it('are written only by the holder of the lease', async () => {
    await rows.claim(key, source, a(75), 0);
    await rows.save(key, holder('a'), readyState());
    expect((await rows.read(key))?.state).toEqual(readyState());
    await expect(rows.save(key, holder('b'), newState(0))).rejects.toMatchObject({ kind: 'conflict' });
    await rows.claim(key, undefined, b(150), 75);
    await expect(rows.save(key, holder('a'), newState(0))).rejects.toMatchObject({ kind: 'conflict' });
    expect(await rows.release(key, holder('a'), leaving(1, newState(0)))).toBe(false);
    expect((await rows.read(key))?.state).toEqual(readyState());
  });

  it('are not released when a message came since they were read', async () => {
    const leased = await rows.claim(key, source, a(75), 0);
    await rows.wake(key, undefined, 1);
    expect(await rows.release(key, holder('a'), leaving(leased?.wakes ?? 0, readyState(), 500))).toBe(false);
    expect(await rows.read(key)).toMatchObject({ lease: { id: 'a' }, nextLookAt: 75, wakes: 2 });
    expect(await rows.release(key, holder('a'), leaving(2, readyState(), 500))).toBe(true);
    const row = await rows.read(key);
    expect(row).toMatchObject({ nextLookAt: 500, wakes: 2, state: readyState() });
    expect(row).not.toHaveProperty('lease');
  });

  it('count a timer’s message only when their next reconcile is due', async () => {
    await rows.wake(key, source, 0);
    expect(await rows.claimIfDue(key, a(1_075), 1_000)).toBeUndefined();
    await rows.claim(key, undefined, a(75), 0);
    await rows.release(key, holder('a'), leaving(2, newState(0), 500));
    expect(await rows.claimIfDue(key, b(575), 499)).toBeUndefined();
    expect(await rows.claimIfDue(key, b(575), 500)).toMatchObject({
      wakes: 3,
      lease: { id: 'b', until: 575 },
      nextLookAt: 575,
      dueAt: 500,
    });
    // The SDK repeats a call when the answer was lost.
    expect(await rows.claimIfDue(key, b(575), 500)).toMatchObject({ lease: { id: 'b', until: 575 } });
  });

  it('are found when they are due, the oldest first, and no more than asked for', async () => {
    const others = [3, 1, 2].map((n) => `${repository}#${n}`);
    for (const other of others) {
      await rows.claim(other, source, a(75), 0);
      await rows.release(other, holder('a'), leaving(1, newState(0), Number(other.split('#')[1])));
    }
    const due = async (now: number, limit: number) =>
      (await rows.due(now, limit)).filter((found) => found.startsWith(`${repository}#`));
    expect(await due(2, 100)).toEqual([`${repository}#1`, `${repository}#2`]);
    expect((await rows.due(1_000_000, 2)).length).toBe(2);
    await rows.claim(`${repository}#1`, undefined, a(175), 100);
    await rows.release(`${repository}#1`, holder('a'), leaving(2, newState(0)));
    expect(await due(50, 100)).toEqual([`${repository}#2`, `${repository}#3`]);
  });

  it('are found by repository and by what opens it', async () => {
    await rows.wake(key, source, 0);
    await rows.wake(`${repository}#8`, { ...source, access: String(repository + 1_000) }, 0);
    expect((await rows.ofRepository(repository)).sort()).toEqual([key, `${repository}#8`]);
    expect(await rows.ofAccess(String(repository + 1_000))).toEqual([`${repository}#8`]);
    expect((await rows.all()).rows.map((row) => row.key)).toEqual(
      expect.arrayContaining([key, `${repository}#8`]),
    );
  });

  it.each(['@feature_2Fa_23b', '=demo', '#7/arm', `@${'_F0_9F_8D_8F'.repeat(63)}`])(
    'are made for %s of a repository too, and are found by it',
    async (subject) => {
      const other = `${repository}${subject}`;
      const made = await rows.claim(other, source, a(75), 5);
      expect(made).toMatchObject({ key: other, repositoryId: repository });
      expect(made?.number).toBe(subject.startsWith('#7') ? 7 : undefined);
      await rows.save(other, holder('a'), readyState());
      expect(await rows.read(other)).toEqual({ ...made, state: readyState() });
      expect(await rows.ofRepository(repository)).toEqual([other]);
    },
  );

  it('are found for one forge alone, where another has the same numbers', async () => {
    const theirs = `plain:${key}`;
    const opened = { ...source, access: String(repository + 4_000) };
    for (const one of [key, theirs]) await rows.wake(one, opened, 0);
    expect(await rows.read(theirs)).toMatchObject({ forge: 'plain', repositoryId: repository, number: 7 });
    expect(await rows.read(key)).not.toHaveProperty('forge');
    expect(await rows.ofRepository(repository)).toEqual([key]);
    expect(await rows.ofRepository(repository, 'plain')).toEqual([theirs]);
    expect(await rows.ofAccess(opened.access)).toEqual([key]);
    expect(await rows.ofAccess(opened.access, 'plain')).toEqual([theirs]);
    expect(await rows.ofRepository(repository, 'other')).toEqual([]);
  });

  it('may be opened by what is no number, and are not found by it', async () => {
    const theirs = `plain:${key}`;
    await rows.claim(theirs, { ...source, access: '' }, a(75), 0);
    await rows.save(theirs, holder('a'), readyState({ access: 'a word' }));
    expect((await rows.read(theirs))?.state.access).toBe('a word');
    expect(await rows.ofAccess('a word', 'plain')).toEqual([]);
  });

  it('stay with the access that the forge confirmed, whatever a message says of it', async () => {
    const [confirmed, said] = [String(repository + 2_000), String(repository + 3_000)];
    await rows.claim(key, source, a(75), 0);
    await rows.save(key, holder('a'), readyState({ access: confirmed }));
    await rows.wake(key, { ...source, access: said }, 0);
    expect(await rows.ofAccess(confirmed)).toEqual([key]);
    expect(await rows.ofAccess(said)).toEqual([]);
  });

  it('are not written when they are larger than 400 KB or no UTF-8, and stay as they were', async () => {
    await rows.claim(key, source, a(75), 0);
    await rows.save(key, holder('a'), readyState());
    const large = readyState({ warnings: ['漢'.repeat(140_000)] });
    const tooLarge = { kind: 'transient', code: 'ValidationException' };
    await expect(rows.save(key, holder('a'), large)).rejects.toMatchObject(tooLarge);
    await expect(rows.release(key, holder('a'), leaving(1, large, 500))).rejects.toMatchObject(tooLarge);
    const broken = readyState({ warnings: ['\ud83d'] });
    await expect(rows.save(key, holder('a'), broken)).rejects.toMatchObject({
      code: 'SerializationException',
    });
    expect((await rows.read(key))?.state).toEqual(readyState());
    await rows.save(key, holder('a'), readyState({ warnings: ['漢'.repeat(130_000)] }));
  });

  it('are all read, also where they fill many pages', async () => {
    const keys = Array.from({ length: 4 }, (_, n) => `${repository}#${n}`);
    for (const other of keys) {
      await rows.claim(other, source, a(75), 0);
      await rows.save(other, holder('a'), readyState({ warnings: ['x'.repeat(390_000)] }));
    }
    expect((await rows.all()).rows.map((row) => row.key)).toEqual(expect.arrayContaining(keys));
    for (const other of keys) await rows.save(other, holder('a'), readyState());
  });

  it('lose each part that a state no longer has', async () => {
    await rows.claim(key, source, a(75), 0);
    await rows.save(key, holder('a'), { ...readyState(), forgetAt: 99 });
    await rows.save(key, holder('a'), without(readyState(), 'ingress', 'order'));
    expect((await rows.read(key))?.state).toEqual(without(readyState(), 'ingress', 'order'));
  });
});

describe.each(kinds)('requests %s', (_where, make) => {
  it('go into the register of their verb when they are newer than what stands there, and not otherwise', async () => {
    const { environments } = make();
    const key = `${repositoryId()}#1`;
    const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
    const ask = (at: number) => ({ order: orderOf(at, 'x'), by: 'ada' });
    const say = (at: number) => ({ asked: { verb: 'stop' as const, ask: ask(at) } });
    const told = await environments.wake(key, source, 0, say(5));
    expect(told?.asks).toEqual({ stop: ask(5) });
    expect(await environments.wake(key, undefined, 0, say(5))).toBeUndefined();
    expect(await environments.claim(key, undefined, { id: 'a', until: 9 }, 0, say(4))).toBeUndefined();
    const claimed = await environments.claim(key, undefined, { id: 'a', until: 9 }, 0, say(6));
    expect(claimed).toMatchObject({ wakes: 2, lease: { id: 'a' }, asks: { stop: ask(6) } });
    expect(await environments.claim(key, undefined, { id: 'b', until: 9 }, 1, say(7))).toBeUndefined();
    expect((await environments.read(key))?.asks).toEqual({ stop: ask(6) });
  });
});

describe.each(kinds)('records %s', (_where, make) => {
  it('keep the environment of a host until it is deleted', async () => {
    const { records } = make();
    const id = `i-${repositoryId()}`;
    expect(await records.environmentOfHost(id)).toBeUndefined();
    await records.putHost(id, '1#1', 5);
    expect(await records.environmentOfHost(id)).toBe('1#1');
    expect(await records.hosts()).toContainEqual({ instanceId: id, environment: '1#1', since: 5 });
    await records.forgetHost(id);
    expect(await records.environmentOfHost(id)).toBeUndefined();
  });

  it('keep the first sighting of an orphan until it is deleted', async () => {
    const { records } = make();
    const id = `t-${repositoryId()}`;
    expect(await records.sightOrphan('tunnel', id, 5)).toBe(5);
    expect(await records.sightOrphan('tunnel', id, 9)).toBe(5);
    await records.forgetOrphan('tunnel', id);
    expect(await records.sightOrphan('tunnel', id, 12)).toBe(12);
  });

  it('lose the first sighting of an orphan that was not seen again for two garbage collections', async () => {
    const { records } = make();
    const id = `t-${repositoryId()}`;
    await records.sightOrphan('tunnel', id, 5);
    expect(await records.sightOrphan('tunnel', id, 5 + ORPHAN_SIGHTING)).toBe(5);
    const late = 6 + 2 * ORPHAN_SIGHTING;
    expect(await records.sightOrphan('tunnel', id, late)).toBe(late);
    expect(await records.sightOrphan('tunnel', id, late + 1)).toBe(late);
  });

  it('admit the reports of a host as they come, and hold them back when there are too many', async () => {
    const { records } = make();
    const id = `i-${repositoryId()}`;
    expect(await records.admitReport(id, 0)).toEqual({ kind: 'stranger' });
    await records.putHost(id, '1#1', 0);
    const admitted = { kind: 'admitted', environment: '1#1' };
    for (let count = 0; count <= REPORT_BURST; count += 1) {
      expect(await records.admitReport(id, 10)).toEqual(admitted);
    }
    const postponed = { kind: 'postponed', environment: '1#1' };
    expect(await records.admitReport(id, 10)).toEqual(postponed);
    // The later message was not sent yet (the run that was to send it died), so the next run is to send it.
    expect(await records.admitReport(id, 10)).toEqual(postponed);
    await records.holdReports(id, 500);
    expect(await records.admitReport(id, 499)).toEqual({ kind: 'dropped' });
    expect(await records.admitReport(id, 10 + 2 * REPORT_INTERVAL)).toEqual(admitted);
  });

  it('do not make a row for a host that is deleted while its reports are held back', async () => {
    const { records } = make();
    const id = `i-${repositoryId()}`;
    await records.holdReports(id, 500);
    expect(await records.environmentOfHost(id)).toBeUndefined();
    expect((await records.hosts()).map(({ instanceId }) => instanceId)).not.toContain(id);
  });

  it('keep since when accesses are gone, and lose those that were not seen gone for a while', async () => {
    const { records } = make();
    const [first, two] = [repositoryId(), String(repositoryId())];
    const [one, start] = [String(first), first * 1_000_000_000];
    expect(await records.sightLostAccess(one, start)).toEqual({ since: start, others: [] });
    expect(await records.sightLostAccess(two, start + 9)).toEqual({
      since: start + 9,
      others: [start],
    });
    const later = start + ORPHAN_SIGHTING;
    expect(await records.sightLostAccess(one, later)).toEqual({ since: start, others: [start + 9] });
    expect(await records.sightLostAccess(one, later + ORPHAN_SIGHTING)).toEqual({
      since: start,
      others: [],
    });
  });

  it('take builds and events', async () => {
    const { records } = make();
    const build = { environment: '1#1', generation: 1, sha: 'a', delivery: 'd', startedAt: 1 } as const;
    await records.beginBuild(build);
    await records.endBuild('1#1', 1, { state: 'ready', finishedAt: 2, timings: { pulling: 3 } });
    await records.putEvents('1#1', 'd', [{ at: 1, cause: 'c', step: 's', outcome: 'o', millis: 0 }]);
    await records.putEvents('1#1', 'd', []);
  });
});

describe('a row', () => {
  it('has the number of its pull request beside its key, where the version before looks for it', () => {
    expect(environmentWrites.wake('1#7', source).set).toMatchObject({ repositoryId: 1, number: 7 });
    expect(environmentWrites.wake('1@main', source).set).not.toHaveProperty('number');
  });
});

describe('the records', () => {
  it('of a run stand in the trace at the time of its first step', async () => {
    const events = memoryItems(() => 0, recordKey);
    const table = memoryTable(events, 'events', atOnce);
    const records = recordRows({ builds: table, events: table }, { now: () => 9_000, newId: () => 'x' });
    const step = { cause: 'c', step: 's', outcome: 'o', millis: 0 };
    await records.putEvents('1#1', 'd', [
      { ...step, at: 1_000 },
      { ...step, at: 2_000 },
    ]);
    expect(events.all().map(({ id }) => id)).toEqual(['1970-01-01T00:00:01.000Z#x']);
  });

  it('of an orphan are kept for as long as it is seen', async () => {
    let now = 0;
    const events = memoryItems(() => now, recordKey);
    const table = memoryTable(events, 'events', atOnce);
    const records = recordRows({ builds: table, events: table }, { now: () => now, newId: () => 'x' });
    await records.sightOrphan('tunnel', 't', now);
    now = ORPHAN_SIGHTING;
    await records.sightOrphan('tunnel', 't', now);
    expect(events.all()[0]?.['expiresAt']).toBe(ORPHAN_SIGHTING / 1_000 + EVENT_SECONDS);
  });

  it('of a host are held back also by a process that has not held them back itself', async () => {
    const hosts = memoryHosts();
    const another = hosts.process()(atOnce);
    await hosts.putHost('i-1', '1#1', 0);
    for (let count = 0; count <= REPORT_BURST; count += 1) await hosts.admitReport('i-1', 10);
    await hosts.holdReports('i-1', 500);
    expect(await another.admitReport('i-1', 499)).toEqual({ kind: 'dropped' });
  });
});

describe('the local DynamoDB', () => {
  it('refuses an expression of more than 4 KB', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `#attribute${n} = :value`);
    await expect(
      emulated.dynamodb.send(
        new UpdateItemCommand({
          TableName: 'hosts',
          Key: { instanceId: { S: 'i-1' } },
          UpdateExpression: `SET ${names.join(', ')}`,
          ExpressionAttributeNames: Object.fromEntries(names.map((_, n) => [`#attribute${n}`, `a${n}`])),
          ExpressionAttributeValues: { ':value': { S: 'x' } },
        }),
      ),
    ).rejects.toThrow('Expression size has exceeded');
  });

  it.each([
    ['empty', ''],
    ['of more than 2 KB', 'x'.repeat(2_049)],
  ])('refuses a key that is %s', async (_what, id) => {
    const Item = { instanceId: { S: id } };
    const put = emulated.dynamodb.send(new PutItemCommand({ TableName: 'hosts', Item }));
    await expect(put).rejects.toThrow(/empty string|size limit/);
  });

  it('gives at most one page of 1 MB at a time', async () => {
    for (const id of ['i-1', 'i-2', 'i-3', 'i-4']) {
      const Item = { instanceId: { S: id }, filling: { S: 'x'.repeat(390_000) } };
      await emulated.dynamodb.send(new PutItemCommand({ TableName: 'hosts', Item }));
    }
    const page = await emulated.dynamodb.send(new ScanCommand({ TableName: 'hosts' }));
    const filled = page.Items?.filter((item) => 'filling' in item);
    expect(filled?.length).toBeLessThan(4);
    expect(page.LastEvaluatedKey).toBeDefined();
  });

  it.each([
    ['text in bytes of UTF-8, with its name', { ü: 'é漢😀' }, 2 + 2 + 3 + 4],
    ['a number by its digits', { n: 1_234_567 }, 1 + 4 + 1],
    ['a negative one, and one with zeros behind', { n: -5, m: 1_200_000 }, 1 + 3 + 1 + 2],
    ['truth and nothing', { t: true, n: null }, 1 + 1 + 1 + 1],
    ['a list: 3, and 1 for each of it', { l: ['a', 'bc'] }, 1 + 3 + 2 + 3],
    ['a map: 3, and 1 for each of it', { m: { k: 'v', e: [] } }, 1 + 3 + 2 + 2 + 1 + 3],
  ])('counts %s', (_what, item, bytes) => {
    expect(itemSize(attributeMap(item))).toBe(bytes);
  });
});

describe.each(kinds)('hints %s', (_where, make) => {
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
  const lease = { id: 'a', until: 75 };

  it('stay until a holder that has read them has acted on them', async () => {
    const { environments } = make();
    const key = `${repositoryId()}#1`;
    const claimed = await environments.claim(key, source, lease, 0, { hints: ['access'] });
    expect(claimed?.hints).toEqual(['access']);
    expect(await environments.wake(key, undefined, 1, { hints: ['machine'] })).toMatchObject({
      hints: ['access', 'machine'],
    });
    expect(await environments.release(key, holder('a'), leaving(1, newState(0)))).toBe(false);
    const unheard = { ...leaving(2, newState(0), 10), acted: false };
    expect(await environments.release(key, holder('a', 2), unheard)).toBe(true);
    const next = await environments.claimIfDue(key, { id: 'b', until: 85 }, 10);
    expect(next?.hints).toEqual(['access', 'machine']);
    expect(await environments.release(key, holder('b'), leaving(3, newState(0)))).toBe(true);
    expect(await environments.read(key)).not.toHaveProperty('hints');
  });

  it('make no row for a pull request that no message was about', async () => {
    const { environments } = make();
    const key = `${repositoryId()}#1`;
    expect(await environments.wake(key, undefined, 0, { hints: ['suspect'] })).toBeUndefined();
    expect(await environments.read(key)).toBeUndefined();
  });
});

describe.each(kinds)('writes of one holder %s', (_where, make) => {
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };

  it('take effect in their order, so that a late one is refused and a repeated one is not', async () => {
    const { environments } = make();
    const key = `${repositoryId()}#1`;
    await environments.claim(key, source, { id: 'a', until: 75 }, 0);
    const [first, second] = [readyState({ generation: 1 }), readyState({ generation: 2 })];
    await environments.save(key, holder('a', 2), second);
    await environments.save(key, holder('a', 2), second);
    await expect(environments.save(key, holder('a', 1), first)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await environments.release(key, holder('a', 1), leaving(1, first))).toBe(false);
    expect((await environments.read(key))?.state.generation).toBe(2);
  });

  it('count from one again for the next holder', async () => {
    const { environments } = make();
    const key = `${repositoryId()}#1`;
    await environments.claim(key, source, { id: 'a', until: 75 }, 0);
    await environments.save(key, holder('a', 9), readyState({ generation: 1 }));
    await environments.claim(key, undefined, { id: 'b', until: 150 }, 75);
    await environments.save(key, holder('b', 1), readyState({ generation: 2 }));
    expect((await environments.read(key))?.state.generation).toBe(2);
  });
});
