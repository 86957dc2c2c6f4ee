import { describe, expect, it } from 'vitest';
import { newState, ROW_VERSION, type Row } from '#core/environment';
import { formatKey } from '#core/environment-key';
import { ORPHAN_CAP, ORPHAN_CONFIRMATION, ORPHAN_GRACE, ORPHAN_MACHINE_KEPT } from '#core/limits';
import type { LogLine } from '../../lambdas/ports.ts';
import type { Handle, Kept, Unit } from '../../lambdas/providers/handle.ts';
import { markedKey } from '../../lambdas/providers/marked-key.ts';
import { collectGarbage, missesSomething } from '../../lambdas/sweep/collect-garbage.ts';
import { garbageSourceOf } from '../../lambdas/sweep/garbage-source.ts';
import { memoryRecords } from '../fakes/memory-records.ts';

/** A provider that knows handles up to version 1, which are lists of ids. */
function provider(units: Unit[]) {
  const discarded: string[] = [];
  const kept: Kept = {
    async *list() {
      yield* units;
    },
    owns: ({ data }) => (Array.isArray(data) ? data.map(String) : []),
    hasBegun: ({ data }) => Array.isArray(data) && data.length === 0,
    async discard({ id, running }) {
      if (id === 'stubborn') throw new Error('it does not want to');
      discarded.push(id);
      return running ? 'stopped' : 'removed';
    },
    upgrade: (handle) => (handle.v > 1 ? 'unknown' : handle),
  };
  return { source: garbageSourceOf(kept, ({ ingress }) => ingress), units, discarded };
}

const unit = (id: string, changes: Partial<Unit> = {}): Unit => ({
  id,
  what: 'thing',
  environment: '1#1',
  since: 0,
  ...changes,
});
/** These are longer than what a mark holds. */
const LONG = formatKey({ kind: 'branch', repositoryId: 1, branch: `feature/${'a'.repeat(200)}` });
const cutUnit = unit('a', { environment: markedKey(LONG) });
const handle = (...ids: string[]): Handle => ({ kind: 'sample', v: 1, data: ids });
const rowOf = (key: string, ingress?: Handle, lease?: Row['lease']): Row => ({
  v: ROW_VERSION,
  key,
  repositoryId: 1,
  number: 1,
  wakes: 0,
  source: { access: '1', owner: 'acme', name: 'shop', delivery: 'd' },
  state: { ...newState(0), ...(ingress ? { ingress } : {}) },
  ...(lease ? { lease } : {}),
});

/** Collects at the times that are given, and returns what was discarded and what went wrong. */
async function collect(units: Unit[], at: number[], rows: Row[] = [], unreadable: string[] = []) {
  const inventory = provider(units);
  const records = memoryRecords();
  const errors: unknown[] = [];
  const logs: LogLine[] = [];
  for (const now of at) {
    const ports = { now: () => now, records, log: (line: LogLine) => logs.push(line) };
    await collectGarbage([inventory], rows, unreadable, errors, ports);
  }
  return { discarded: inventory.discarded, errors, logs };
}

const later = ORPHAN_GRACE + ORPHAN_CONFIRMATION;
const twice = [ORPHAN_GRACE, later];

describe('a unit', () => {
  it('of nobody is discarded when it was seen twice, long enough apart', async () => {
    const { discarded, logs } = await collect([unit('a')], twice);
    expect(discarded).toEqual(['a']);
    expect(logs).toEqual([{ level: 'warn', message: 'orphan removed', kind: 'thing', id: 'a' }]);
  });

  it.each<[string, Unit[], number[], Row[], string[]]>([
    ['was seen once', [unit('a')], [later], [], []],
    ['was seen twice too close together', [unit('a')], [ORPHAN_GRACE, later - 1], [], []],
    ['is younger than the grace', [unit('a', { since: 1 })], [ORPHAN_GRACE, later], [], []],
    ['belongs to its row', [unit('a')], twice, [rowOf('1#1', handle('a'))], []],
    ['may be what its row has begun', [unit('a')], twice, [rowOf('1#1', handle())], []],
    ['belongs to another row than its mark says', [unit('a')], twice, [rowOf('2#2', handle('a'))], []],
    [
      'has a part that belongs to a row',
      [unit('a', { parts: ['p'] })],
      twice,
      [rowOf('1#1', handle('p'))],
      [],
    ],
    ['is of a row with a held lease', [unit('a')], twice, [rowOf('1#1', undefined, leased())], []],
    [
      'is of a row with a held lease, by a cut mark',
      [cutUnit],
      twice,
      [rowOf(LONG, undefined, leased())],
      [],
    ],
    ['is of a row that cannot be read', [unit('a')], twice, [], ['1#1']],
    ['is of a row that cannot be read, by a cut mark', [cutUnit], twice, [], [LONG]],
    ['is of a row with a newer handle, by a cut mark', [cutUnit], twice, [rowOf(LONG, newer())], []],
    ['names no row, and a row cannot be read', [nobodys('a')], twice, [], ['2#2']],
    ['is of a row with a newer handle', [unit('a')], twice, [rowOf('1#1', newer())], []],
    ['names no row, and a handle is newer', [nobodys('a')], twice, [rowOf('2#2', newer())], []],
  ])('stays that %s', async (_why, units, at, rows, unreadable) => {
    expect((await collect(units, at, rows, unreadable)).discarded).toEqual([]);
  });

  it.each<[string, Unit[], Row[], string[]]>([
    ['is of no row although others cannot be read', [unit('a')], [], ['2#2']],
    ['is of no row although one begins alike', [cutUnit], [], [`${LONG}b`]],
    ['is of no row although another forge has its number', [unit('a')], [], ['plain:1#1']],
    ['is of no row although the handle of another is newer', [unit('a')], [rowOf('2#2', newer())], []],
    ['its row does not answer for', [unit('a')], [rowOf('1#1', handle('b'))], []],
    [
      'is of a row with a lease that is over',
      [unit('a')],
      [rowOf('1#1', undefined, { id: 'l', until: 0 })],
      [],
    ],
    ['names no row', [nobodys('a')], [rowOf('1#1', handle('b'))], []],
  ])('is discarded that %s', async (_why, units, rows, unreadable) => {
    expect((await collect(units, twice, rows, unreadable)).discarded).toEqual(['a']);
  });

  it('that runs is made harmless, and is discarded when nobody missed it for a day', async () => {
    const running = unit('a', { running: true });
    expect((await collect([running], twice)).logs).toMatchObject([{ message: 'orphan stopped' }]);
    const harmless = unit('a', { running: false });
    const hour = 3_600_000;
    const hourly = (until: number) =>
      Array.from({ length: Math.floor(until / hour) + 1 }, (_, n) => ORPHAN_GRACE + n * hour);
    expect((await collect([harmless], hourly(ORPHAN_MACHINE_KEPT - hour))).discarded).toEqual([]);
    expect((await collect([harmless], hourly(ORPHAN_MACHINE_KEPT))).discarded).toEqual(['a']);
  });

  it('that cannot be discarded does not keep the others, and is reported', async () => {
    const { discarded, errors } = await collect([unit('stubborn'), unit('b')], twice);
    expect(discarded).toEqual(['b']);
    expect(errors).toHaveLength(1);
  });

  it('is discarded with no more others than the cap allows in one collection', async () => {
    const units = Array.from({ length: ORPHAN_CAP + 5 }, (_, n) => unit(`u${n}`));
    expect((await collect(units, twice)).discarded).toHaveLength(ORPHAN_CAP);
  });
});

describe('a row', () => {
  const { source, units } = provider([unit('a', { parts: ['p'] }), unit('b')]);
  const misses = missesSomething([{ source, units }]);

  it('misses a unit that it answers for and nobody lists', () => {
    expect(misses(rowOf('1#1', handle('a', 'p')))).toBe(false);
    expect(misses(rowOf('1#1', handle('a', 'q')))).toBe(true);
    expect(misses(rowOf('1#1', handle('c')))).toBe(true);
    expect(misses(rowOf('1#1'))).toBe(false);
  });

  it('misses no unit that only a newer version can name', () => {
    expect(misses(rowOf('1#1', newer()))).toBe(false);
  });
});

function newer(): Handle {
  return { ...handle('a'), v: 2 };
}

function leased(): NonNullable<Row['lease']> {
  return { id: 'lease', until: later + 1 };
}

function nobodys(id: string): Unit {
  return unit(id, { environment: undefined });
}
