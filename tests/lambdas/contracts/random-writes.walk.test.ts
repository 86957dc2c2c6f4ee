import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EnvironmentState, newState, type Source } from '#core/environment';
import { hints } from '#core/hints';
import { dynamoEnvironments } from '../../../lambdas/adapters/dynamo-environments.ts';
import { dynamoTable } from '../../../lambdas/adapters/dynamo-table.ts';
import type { Environments } from '../../../lambdas/ports.ts';
import type { Condition } from '../../../lambdas/store/condition.ts';
import { type ItemKey, itemKey, type KeyNames, rowKey } from '../../../lambdas/store/item-key.ts';
import { recordKey } from '../../../lambdas/store/record-writes.ts';
import type { Table } from '../../../lambdas/store/table.ts';
import type { Write } from '../../../lambdas/store/write.ts';
import { holder, leaving } from '../../fakes/holder.ts';
import { memoryEnvironments } from '../../fakes/memory-environments.ts';
import { memoryItems, memoryTable } from '../../fakes/memory-table.ts';
import { readyState } from '../../fakes/sample-state.ts';
import { atOnce } from '../../fakes/wire.ts';
import { startTables } from './start-tables.ts';
import type { Emulated } from './wire-servers.ts';

/**
 * Whatever is written, in whatever order, the table in memory answers and holds what DynamoDB does. So a simulation
 * over it tests the product's own conditions.
 */
let emulated: Emulated;
beforeAll(async () => {
  emulated = await startTables();
});
afterAll(() => emulated?.close());

const name = fc.constantFrom('a' as const, 'b' as const, 'c' as const, 'd' as const);
const scalar = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constantFrom('x', 'y'));
const value = fc.oneof(scalar, fc.boolean(), fc.constant({ deep: [1, { er: 'z' }], none: undefined }));
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constantFrom('exists', 'absent'), name }),
    fc.record({ kind: fc.constant('equals'), name, value: scalar }),
    fc.record({ kind: fc.constantFrom('atMost', 'atLeast'), name, value: fc.integer({ min: -2, max: 3 }) }),
    fc.record({
      kind: fc.constantFrom('any', 'all'),
      of: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }),
    }),
  ),
}));

/** One change for each attribute, because DynamoDB takes one change of each. */
const change = fc.oneof(
  fc.constant({ kind: 'nothing' } as const),
  fc.record({ kind: fc.constant('set'), value }),
  fc.record({ kind: fc.constant('take'), name, otherwise: value }),
  fc.record({ kind: fc.constant('add'), by: fc.integer({ min: -2, max: 3 }) }),
  fc.constant({ kind: 'remove' } as const),
);

const write = fc.record({
  a: change,
  b: change,
  c: change,
  d: change,
  on: fc.option(condition, { nil: undefined }),
});

function toWrite(
  key: ItemKey,
  { on, ...changes }: typeof write extends fc.Arbitrary<infer T> ? T : never,
): Write {
  const set: Record<string, unknown> = { touched: 'yes' };
  const setFrom: Record<string, { name: string; otherwise: unknown }> = {};
  const add: Record<string, number> = {};
  const remove: string[] = [];
  for (const [name, change] of Object.entries(changes)) {
    if (change.kind === 'set') set[name] = change.value;
    // The local DynamoDB counts before it reads, and the real one does not; no write of Eph does both to one attribute.
    if (change.kind === 'take' && changes[change.name].kind !== 'add')
      setFrom[name] = { name: change.name, otherwise: change.otherwise };
    if (change.kind === 'add') add[name] = change.by;
    if (change.kind === 'remove') remove.push(name);
  }
  return { verb: 'random', ...key, set, setFrom, add, remove, ...(on ? { condition: on } : {}) };
}

const orRefused = (answer: Promise<unknown>): Promise<unknown> => answer.catch(() => 'refused');

type Call = (table: Table, key: ItemKey, names: KeyNames) => Promise<unknown>;
const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 8,
    arbitrary: write.map(
      (one): Call =>
        (table, key) =>
          table.update(toWrite(key, one)),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.dictionary(name, value).map(
      (item): Call =>
        (table, key, names) =>
          table.put({ ...item, ...itemKey(names, key) }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Call>((table, key) => table.delete(key)),
  },
);

it.each([
  ['environments', 'whose key has one part', rowKey, undefined],
  ['builds', 'whose key has two parts', recordKey, fc.constantFrom('1', '10', '2')],
])(
  'in %s, %s, any write on any condition is made or refused, and leaves the same',
  async (table, _what, names, sorts) => {
    const sort = sorts ?? fc.constant(undefined);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(call, sort), { minLength: 1, maxLength: 12 }), async (calls) => {
        const key = randomUUID();
        const shipped = dynamoTable(emulated.dynamodb, table, names);
        const tried = memoryTable(memoryItems(undefined, names), table, atOnce);
        const query = { name: names.partition, value: key };
        for (const [one, part] of calls) {
          const item = { key, ...(part === undefined ? {} : { sort: part }) };
          expect(await orRefused(one(tried, item, names))).toEqual(
            await orRefused(one(shipped, item, names)),
          );
          expect(await tried.query(query)).toEqual(await shipped.query(query));
        }
      }),
      { numRuns: 60 },
    );
  },
);

type Act = (rows: Environments, key: string, known: { wakes: number }) => Promise<unknown>;
const at = fc.integer({ min: 0, max: 300 });
const leaseId = fc.constantFrom('one', 'two', 'three');
const said = fc.record({ hints: fc.subarray([...hints]) });
const source: fc.Arbitrary<Source | undefined> = fc.option(
  fc.record({
    access: fc.constantFrom('8', '9', ''),
    owner: fc.constant('acme'),
    name: fc.constantFrom('shop', 'store'),
    delivery: fc.constant('d'),
  }),
  { nil: undefined },
);
const state: fc.Arbitrary<EnvironmentState> = fc.oneof(
  at.map(newState),
  fc.record({ installationId: fc.constantFrom(8, 10), forgetAt: at }).map((more) => readyState(more)),
  fc.constant(readyState()),
);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(source, at, said).map(
    ([from, now, beside]): Act =>
      (rows, key) =>
        rows.wake(key, from, now, beside),
  ),
  fc.tuple(source, leaseId, at, said).map(
    ([from, id, now, beside]): Act =>
      (rows, key) =>
        rows.claim(key, from, { id, until: now + 75 }, now, beside),
  ),
  fc.tuple(leaseId, at).map(
    ([id, now]): Act =>
      (rows, key) =>
        rows.claimIfDue(key, { id, until: now + 75 }, now),
  ),
  fc.tuple(leaseId, fc.integer({ min: 1, max: 3 }), state).map(
    ([id, nth, next]): Act =>
      (rows, key) =>
        rows.save(key, holder(id, nth), next),
  ),
  fc.tuple(leaseId, fc.boolean(), fc.boolean(), state, fc.option(at, { nil: undefined })).map(
    ([id, current, acted, next, look]): Act =>
      (rows, key, { wakes }) =>
        rows.release(key, holder(id, 2), { ...leaving(current ? wakes : 0, next, look), acted }),
  ),
  at.map(
    (now): Act =>
      async (rows, key) =>
        (await rows.due(now, 1_000)).filter((one) => one === key),
  ),
);

describe('any messages, and any writes of holders', () => {
  it('end in the same row, and in the same answers', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 25 }), async (acts) => {
        number += 1;
        const key = `4711#${number}`;
        const shipped = dynamoEnvironments(emulated.dynamodb, 'environments');
        const tried = memoryEnvironments();
        const known = { wakes: 0 };
        for (const one of acts) {
          expect(await orRefused(one(tried, key, known))).toEqual(await orRefused(one(shipped, key, known)));
          const row = await tried.read(key);
          expect(row).toEqual(await shipped.read(key));
          known.wakes = row?.wakes ?? 0;
        }
        const found = await shipped.ofRepository(4711);
        expect(await tried.ofRepository(4711)).toEqual(found.filter((one) => one === key));
      }),
      { numRuns: 40 },
    );
  });

  it('are shown in an index that lags as they were, and in time as they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(act, fc.integer({ min: 0, max: 40 })), { maxLength: 30 }),
        async (acts) => {
          const clock = { now: 0 };
          const items = memoryItems(() => clock.now);
          items.knobs.lag = 60;
          const rows = memoryEnvironments(items);
          const seen: { at: number; due: string[] }[] = [];
          const known = { wakes: 0 };
          for (const [one, pause] of acts) {
            await orRefused(one(rows, '1#1', known));
            const row = await rows.read('1#1');
            known.wakes = row?.wakes ?? 0;
            seen.push({ at: clock.now, due: row?.nextLookAt !== undefined ? ['1#1'] : [] });
            clock.now += pause;
            const then = seen.findLast(({ at }) => at <= clock.now - 60)?.due ?? [];
            expect(await rows.due(1_000_000, 10)).toEqual(then);
          }
          clock.now += 60;
          expect(await rows.due(1_000_000, 10)).toEqual(seen.at(-1)?.due ?? []);
        },
      ),
    );
  });
});
