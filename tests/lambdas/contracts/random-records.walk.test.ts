import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ORPHAN_SIGHTING, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import { dynamoTable } from '../../../lambdas/adapters/dynamo-table.ts';
import type { Records } from '../../../lambdas/ports.ts';
import type { Hosts } from '../../../lambdas/providers/ec2/ec2-ports.ts';
import { hostRows } from '../../../lambdas/providers/ec2/host-rows.ts';
import { hostKey } from '../../../lambdas/providers/ec2/host-writes.ts';
import type { KeyNames } from '../../../lambdas/store/item-key.ts';
import { recordRows } from '../../../lambdas/store/record-rows.ts';
import { recordKey } from '../../../lambdas/store/record-writes.ts';
import type { Table } from '../../../lambdas/store/table.ts';
import { memoryItems, memoryTable } from '../../fakes/memory-table.ts';
import { atOnce } from '../../fakes/wire.ts';
import { startTables } from './start-tables.ts';
import type { Emulated } from './wire-servers.ts';

/** Whatever is recorded, in whatever order, tables in memory answer and hold what those of DynamoDB do. */
let emulated: Emulated;
beforeAll(async () => {
  emulated = await startTables();
});
afterAll(() => emulated?.close());

interface Side {
  rows: Records & Hosts;
  tables: { builds: Table; events: Table; hosts: Table };
}

/** Both sides get the same time, and give the same ids. */
function sideOf(table: (name: string, names: KeyNames) => Table, now: () => number): Side {
  let ids = 0;
  const newId = () => {
    ids += 1;
    return String(ids);
  };
  const tables = {
    builds: table('builds', recordKey),
    events: table('events', recordKey),
    hosts: table('hosts', hostKey),
  };
  return { tables, rows: { ...recordRows(tables, { now, newId }), ...hostRows(tables.hosts, now) } };
}

/** Names of one round of calls, which no other round uses. */
interface Names {
  environment: string;
  host: string;
}
type Act = (rows: Records & Hosts, names: Names, now: number) => Promise<unknown>;

const ofHosts = fc.constantFrom<Act>(
  (rows, { host, environment }, now) => rows.putHost(host, environment, now),
  (rows, { host }) => rows.forgetHost(host),
  (rows, { host }) => rows.environmentOfHost(host),
  (rows, { host }, now) => rows.admitReport(host, now),
  async (rows, { host }, now) => {
    const answers = [];
    for (let count = 0; count <= REPORT_BURST + 1; count += 1)
      answers.push(await rows.admitReport(host, now));
    return answers;
  },
  (rows, { host }, now) => rows.holdReports(host, now + REPORT_INTERVAL),
  async (rows, { host }) => (await rows.hosts()).filter(({ instanceId }) => instanceId === host),
);
const ofSightings = fc.constantFrom<Act>(
  (rows, { environment }, now) => rows.sightOrphan(environment, 'thing', now),
  (rows, { environment }) => rows.forgetOrphan(environment, 'thing'),
  (rows, _names, now) => rows.sightLostAccess('7', now),
  (rows, _names, now) => rows.sightLostAccess('8', now),
  (rows) => rows.forgetLostAccess('7'),
);
const ofBuilds = fc.constantFrom(1, 2, 12).chain((generation) =>
  fc.constantFrom<Act>(
    (rows, { environment }, now) =>
      rows.beginBuild({ environment, generation, sha: 'a', delivery: 'd', startedAt: now }),
    (rows, { environment }, now) =>
      rows.endBuild(environment, generation, { state: 'ready', finishedAt: now, timings: { building: 5 } }),
    (rows, { environment }, at) =>
      rows.putEvents(environment, 'd', [{ at, cause: 'c', step: 's', outcome: 'o', millis: 1 }]),
  ),
);
const pause = fc.constantFrom(
  0,
  REPORT_INTERVAL - 1,
  REPORT_INTERVAL,
  REPORT_BURST * REPORT_INTERVAL,
  ORPHAN_SIGHTING,
  ORPHAN_SIGHTING + 1,
);

async function contentOf({ tables: { builds, events, hosts } }: Side, { environment, host }: Names) {
  const under = (table: Table, value: string) => table.query({ name: 'environment', value });
  return Promise.all([
    under(builds, environment),
    under(events, environment),
    under(events, `orphan:${environment}`),
    under(events, 'lost:installation'),
    hosts.read(host),
  ]);
}

let round = 0;
it.each([
  ['reports of hosts', ofHosts],
  ['sightings', ofSightings],
  ['builds and events', ofBuilds],
])('any %s end in the same items, and in the same answers', async (_what, act) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(act, pause), { minLength: 1, maxLength: 25 }), async (acts) => {
      round += 1;
      const names = { environment: `4711#${round}`, host: `i-${round}` };
      const clock = { now: 1_000_000 };
      const now = () => clock.now;
      const shipped = sideOf((name, key) => dynamoTable(emulated.dynamodb, name, key), now);
      const tried = sideOf((name, key) => memoryTable(memoryItems(now, key), name, atOnce), now);
      for (const one of ['7', '8']) await shipped.rows.forgetLostAccess(one);
      for (const [one, time] of acts) {
        expect(await one(tried.rows, names, clock.now)).toEqual(await one(shipped.rows, names, clock.now));
        expect(await contentOf(tried, names)).toEqual(await contentOf(shipped, names));
        clock.now += time;
      }
    }),
    { numRuns: 15 },
  );
});
