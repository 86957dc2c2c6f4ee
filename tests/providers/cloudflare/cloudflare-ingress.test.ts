import { describe, expect, it } from 'vitest';
import { MAX_ADDRESSES, MAX_HANDLE_BYTES, MAX_HOSTNAME_BYTES, MAX_PUBLIC_SERVICES } from '#core/limits';
import { cloudflareIngress } from '../../../lambdas/providers/cloudflare/cloudflare-ingress.ts';
import type { Tunnels } from '../../../lambdas/providers/cloudflare/tunnels.ts';
import type { Handle, Unit } from '../../../lambdas/providers/handle.ts';
import type { Address, Ingress, Opening } from '../../../lambdas/providers/ingress.ts';
import { createCloudflare } from '../../../local/cloudflare/cloudflare.ts';
import { fakeTunnels } from '../../fakes/fake-tunnels.ts';

const KEY = '7#1';
const ZONE = 'eph.test';
const named = (...labels: string[]): Address[] =>
  labels.map((label) => ({ hostname: `${label}-pr.${ZONE}`, url: `https://${label}-pr.${ZONE}` }));
const opening = (count: number, ...labels: string[]): Opening => ({ count, names: named(...labels) });

/** The error that a dying process throws at its next call. */
class Death extends Error {}

/** Cloudflare's state machine, an ingress over it, and the calls that succeeded. */
function createEdge() {
  let ids = 0;
  const cloudflare = createCloudflare({
    zone: ZONE,
    now: () => 1_000_000,
    newId: () => {
      ids += 1;
      return `00000000-0000-4000-8000-${ids.toString(16).padStart(12, '0')}`;
    },
  });
  const calls: string[] = [];
  const edge = {
    cloudflare,
    calls,
    /** Is asked before every call to Cloudflare. */
    watch: async (perform: () => Promise<unknown>): Promise<unknown> => perform(),
    /** Dies at no call; a test makes its own calls by this. */
    tunnels: fakeTunnels(cloudflare, 'test'),
  };
  const watched = new Proxy(edge.tunnels, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function') return method;
      return (...parameters: unknown[]) =>
        edge.watch(async () => {
          calls.push(String(name));
          return Reflect.apply(method, target, parameters);
        });
    },
  }) satisfies Tunnels;
  const settings = { deploymentId: 'test', suffix: `-pr.${ZONE}`, urlTemplate: 'https://{host}:8443' };
  return { ...edge, edge, ingress: cloudflareIngress(watched, settings) };
}

/** The handle in the table, and how often it was written in the middle of a move. */
interface Saved {
  handle: Handle | undefined;
  saves: number;
}

/** Works as the reconciler does: it saves when asked to, and at the end. */
async function drive(ingress: Ingress, saved: Saved, to: 'open' | 'none', what: Opening): Promise<void> {
  let { handle } = saved;
  for (let call = 0; call < 200; call += 1) {
    const moved = await ingress.move(KEY, handle, to, what);
    handle = moved.handle;
    if (moved.saveFirst) {
      saved.handle = handle;
      saved.saves += 1;
    }
    if (!moved.done) continue;
    saved.handle = handle;
    return;
  }
  throw new Error('it never ends');
}

function whatExists({ cloudflare: { machine } }: ReturnType<typeof createEdge>) {
  const tunnels = machine.listTunnels({ is_deleted: 'false' }).items;
  const nameOf = (content: unknown) =>
    tunnels.find(({ id }) => content === `${id}.cfargotunnel.com`)?.name ?? 'nowhere';
  return {
    tunnels: tunnels.map(({ name }) => name),
    records: machine
      .listRecords({})
      .items.map(({ name, content }) => `${name} -> ${nameOf(content)}`)
      .sort(),
  };
}

type Step = ['open' | 'none', Opening];
interface Tale {
  name: string;
  before: Step[];
  step: Step;
}

const many = Array.from({ length: 2 * MAX_PUBLIC_SERVICES }, (_, n) => `s${n}`);
const tales: Tale[] = [
  { name: 'opened', before: [], step: ['open', opening(0, 'main')] },
  {
    name: 'opened for a service too',
    before: [['open', opening(0, 'main')]],
    step: ['open', opening(0, 'main', 'api', 'web')],
  },
  {
    name: 'opened for a name that was there before',
    before: [['open', opening(0, 'main', 'api')]],
    step: ['open', opening(0, 'main')],
  },
  {
    name: 'opened for so many names that older ones make room',
    before: [['open', opening(0, 'main', ...many)]],
    step: ['open', opening(0, 'main', 'x', 'y', 'z')],
  },
  {
    name: 'closed',
    before: [['open', opening(0, 'main', 'api')]],
    step: ['none', opening(0, 'main', 'api')],
  },
  {
    name: 'opened again',
    before: [
      ['open', opening(0, 'main', 'api')],
      ['none', opening(0, 'main')],
    ],
    step: ['open', opening(1, 'main', 'api')],
  },
  { name: 'closed without ever having been opened', before: [], step: ['none', opening(0, 'main')] },
];

async function prepare(tale: Tale) {
  const edge = createEdge();
  const saved: Saved = { handle: undefined, saves: 0 };
  for (const [to, what] of tale.before) await drive(edge.ingress, saved, to, what);
  edge.calls.length = 0;
  return { edge, saved };
}

describe.each(tales)('an address that is $name', (tale) => {
  it('comes to the same end when the process dies before or after any call, and nothing is there twice', async () => {
    const whole = await prepare(tale);
    await drive(whole.edge.ingress, whole.saved, ...tale.step);
    const expected = whatExists(whole.edge);
    const wrong: string[] = [];
    for (let n = 1; n <= whole.edge.calls.length; n += 1) {
      for (const when of ['before', 'after']) {
        const { edge, saved } = await prepare(tale);
        let count = 0;
        edge.edge.watch = async (perform) => {
          count += 1;
          if (count === n && when === 'before') throw new Death();
          const answer = await perform();
          if (count === n) throw new Death();
          return answer;
        };
        await expect(drive(edge.ingress, saved, ...tale.step)).rejects.toThrow(Death);
        edge.edge.watch = (perform) => perform();
        await drive(edge.ingress, saved, ...tale.step);
        const left = JSON.stringify(whatExists(edge));
        if (left !== JSON.stringify(expected)) wrong.push(`${when} call ${n}: ${left}`);
        const names = edge.ingress.isOpen(saved.handle, tale.step[1].names);
        expect(names).toBe(tale.step[0] === 'open');
      }
    }
    expect(wrong).toEqual([]);
  });

  it('can be closed wherever its opening was cut off, and nothing is left', async () => {
    const whole = await prepare(tale);
    await drive(whole.edge.ingress, whole.saved, ...tale.step);
    for (let n = 1; n <= whole.edge.calls.length; n += 1) {
      const { edge, saved } = await prepare(tale);
      let count = 0;
      edge.edge.watch = async (perform) => {
        const answer = await perform();
        count += 1;
        if (count === n) throw new Death();
        return answer;
      };
      await drive(edge.ingress, saved, ...tale.step).catch(() => undefined);
      edge.edge.watch = (perform) => perform();
      await drive(edge.ingress, saved, 'none', opening(9));
      expect(whatExists(edge)).toEqual({ tunnels: [], records: [] });
      expect(saved.handle).toBeUndefined();
    }
  });

  it('has at most one effect for each call, and none before the handle that is to be saved first', async () => {
    const { edge, saved } = await prepare(tale);
    let { handle } = saved;
    for (let call = 0; call < 200; call += 1) {
      const before = edge.calls.length;
      const moved = await edge.ingress.move(KEY, handle, ...tale.step);
      const made = edge.calls.slice(before).filter((name) => !name.startsWith('find'));
      expect(made.length).toBeLessThanOrEqual(moved.saveFirst || moved.done ? 0 : 1);
      handle = moved.handle;
      if (moved.done) break;
    }
    edge.calls.length = 0;
    const again = await edge.ingress.move(KEY, handle, ...tale.step);
    expect(again).toMatchObject({ done: true });
    expect(edge.calls).toEqual([]);
  });
});

describe('an address', () => {
  it('is one label in front of the suffix, and a service of it one label too', () => {
    const { ingress } = createEdge();
    expect(ingress.address('shop-1')).toEqual({
      hostname: 'shop-1-pr.eph.test',
      url: 'https://shop-1-pr.eph.test:8443',
    });
    expect(ingress.address('shop-1', 'api')).toEqual({
      hostname: 'api--shop-1-pr.eph.test',
      url: 'https://api--shop-1-pr.eph.test:8443',
    });
  });

  it('that is opened saves the names of the tunnel and of its records, in one save for all', async () => {
    const { ingress, calls } = createEdge();
    const saved: Saved = { handle: undefined, saves: 0 };
    await drive(ingress, saved, 'open', opening(0, 'main'));
    expect(saved.saves).toBe(1);
    expect(calls).toEqual(['ensureTunnel', 'configure', 'ensureRecord']);
    await drive(ingress, saved, 'open', opening(0, 'main', 'api', 'web'));
    expect(saved.saves).toBe(2);
    await drive(ingress, saved, 'none', opening(0, 'main', 'api', 'web'));
    expect(saved.saves).toBe(2);
    expect(calls.slice(5)).toEqual(['deleteRecord', 'deleteRecord', 'deleteRecord', 'deleteTunnel']);
  });

  it('is no longer open without its tunnel, its rule or one of its records', async () => {
    const { ingress } = createEdge();
    const names = named('main', 'api');
    const tunnel = { id: 't', name: 'n', configured: true };
    const records = names.map(({ hostname }) => ({ id: 'r', hostname }));
    const open = (data: unknown) => ingress.isOpen({ kind: 'cloudflare', v: 1, data }, names);
    expect(open({ tunnel, records })).toBe(true);
    expect(open({ tunnel, records: records.slice(1) })).toBe(false);
    expect(open({ tunnel, records: names.map(({ hostname }) => ({ hostname })) })).toBe(false);
    expect(open({ tunnel: { ...tunnel, configured: false }, records })).toBe(false);
    expect(open({ tunnel: { name: 'n', configured: false }, records })).toBe(false);
    expect(open({ records })).toBe(false);
    expect(ingress.isOpen(undefined, names)).toBe(false);
  });

  it('gives the token of its tunnel, and none while there is no tunnel', async () => {
    const { ingress, cloudflare } = createEdge();
    const saved: Saved = { handle: undefined, saves: 0 };
    await drive(ingress, saved, 'open', opening(0, 'main'));
    const [tunnel] = cloudflare.machine.listTunnels({}).items;
    const token = cloudflare.machine.tunnelToken(tunnel?.id ?? '');
    expect(await ingress.attachment(handleOf(saved))).toEqual({ kind: 'connector', token });
    expect(JSON.stringify(saved.handle)).not.toContain(token);
    const begun = {
      kind: 'cloudflare',
      v: 1,
      data: { tunnel: { name: 'n', configured: false }, records: [] },
    };
    await expect(ingress.attachment(begun)).rejects.toMatchObject({ code: 'no_tunnel' });
  });
});

describe('a check after a deletion by hand', () => {
  async function opened() {
    const edge = createEdge();
    const saved: Saved = { handle: undefined, saves: 0 };
    await drive(edge.ingress, saved, 'open', opening(0, 'main', 'api'));
    const [tunnel] = await edge.tunnels.listTunnels();
    const records = await edge.tunnels.listRecords();
    return { edge, saved, tunnelId: tunnel?.id ?? '', records };
  }

  it('keeps the handle as it is where nothing is deleted', async () => {
    const { edge, saved } = await opened();
    expect(await edge.ingress.check(KEY, handleOf(saved))).toEqual({ handle: saved.handle, attached: true });
  });

  it('has a deleted record made again, and machines stay attached', async () => {
    const { edge, saved, records } = await opened();
    const before = whatExists(edge);
    await edge.tunnels.deleteRecord(records[0]?.id ?? '');
    const { handle, attached } = await edge.ingress.check(KEY, handleOf(saved));
    expect(attached).toBe(true);
    expect(edge.ingress.isOpen(handle, named('main', 'api'))).toBe(false);
    await drive(edge.ingress, { handle, saves: 0 }, 'open', opening(0, 'main', 'api'));
    expect(whatExists(edge)).toEqual(before);
  });

  it('has a deleted tunnel replaced, to which records and machines change', async () => {
    const { edge, saved, tunnelId } = await opened();
    await edge.tunnels.deleteTunnel(tunnelId);
    const { handle, attached } = await edge.ingress.check(KEY, handleOf(saved));
    expect(attached).toBe(false);
    const again: Saved = { handle, saves: 0 };
    await drive(edge.ingress, again, 'open', opening(1, 'main', 'api'));
    expect(again.saves).toBe(1);
    expect(whatExists(edge)).toEqual({
      tunnels: ['eph-test-7-1-1'],
      records: ['api-pr.eph.test -> eph-test-7-1-1', 'main-pr.eph.test -> eph-test-7-1-1'],
    });
  });

  it('has the records deleted by their names where tunnel and address are to go', async () => {
    const { edge, saved, tunnelId } = await opened();
    await edge.tunnels.deleteTunnel(tunnelId);
    const { handle } = await edge.ingress.check(KEY, handleOf(saved));
    await drive(edge.ingress, { handle, saves: 0 }, 'none', opening(1, 'main'));
    expect(whatExists(edge)).toEqual({ tunnels: [], records: [] });
  });
});

describe('a handle', () => {
  const newer = { kind: 'cloudflare', v: 2, data: {} };

  it('of a newer version, of another provider, or a damaged one is not known, and what it names is kept', async () => {
    const { ingress, calls } = createEdge();
    const foreign = { kind: 'other', v: 1, data: { records: [] } };
    const damaged = { kind: 'cloudflare', v: 1, data: { records: 'none' } };
    for (const handle of [newer, foreign, damaged]) {
      expect(ingress.upgrade(handle)).toBe('unknown');
      expect(() => ingress.owns(handle)).toThrow('Another version');
      expect(ingress.isOpen(handle, [])).toBe(false);
      for (const to of ['open', 'none'] as const) {
        await expect(ingress.move(KEY, handle, to, opening(0, 'main'))).rejects.toMatchObject({
          kind: 'transient',
          code: 'handle_unknown',
        });
      }
      await expect(ingress.check(KEY, handle)).rejects.toMatchObject({ kind: 'transient' });
    }
    expect(calls).toEqual([]);
  });

  it('owns its tunnel and its records, and nothing yet of those that are only begun', () => {
    const { ingress } = createEdge();
    const data = {
      tunnel: { id: 't', name: 'n', configured: true },
      records: [{ id: 'r', hostname: 'a' }, { hostname: 'b' }],
    };
    const handle = { kind: 'cloudflare', v: 1, data };
    expect(ingress.upgrade(handle)).toEqual(handle);
    expect(ingress.owns(handle)).toEqual(['t', 'r']);
    expect(
      ingress.owns({ ...handle, data: { tunnel: { name: 'n', configured: false }, records: [] } }),
    ).toEqual([]);
  });

  it('has begun something while its tunnel or one of its records has no id yet', () => {
    const { ingress } = createEdge();
    const tunnel = { id: 't', name: 'n', configured: true };
    const record = { id: 'r', hostname: 'a' };
    const hasBegun = (data: object) => ingress.hasBegun({ kind: 'cloudflare', v: 1, data });
    expect(hasBegun({ records: [] })).toBe(false);
    expect(hasBegun({ tunnel, records: [record] })).toBe(false);
    expect(hasBegun({ tunnel, records: [record, { hostname: 'b' }] })).toBe(true);
    expect(hasBegun({ tunnel: { name: 'n', configured: false }, records: [record] })).toBe(true);
  });

  it('has at most 8 KB, for which older names are dropped and those of now are kept', async () => {
    const { ingress } = createEdge();
    const wanted = (from: number, count: number): Address[] =>
      Array.from({ length: count }, (_, n) => {
        const rest = `.${'y'.repeat(63)}.${'y'.repeat(63)}.${'y'.repeat(62)}.${ZONE}`;
        return { hostname: `${from + n}${rest}`.padStart(MAX_HOSTNAME_BYTES, 'x'), url: '' };
      });
    const saved: Saved = { handle: undefined, saves: 0 };
    const bytes = () => JSON.stringify(saved.handle).length;
    for (let from = 0; from < 200; from += MAX_PUBLIC_SERVICES) {
      const names = wanted(from, 1 + MAX_PUBLIC_SERVICES);
      await drive(ingress, saved, 'open', { count: 0, names });
      expect(ingress.isOpen(saved.handle, names)).toBe(true);
      expect(bytes()).toBeLessThanOrEqual(MAX_HANDLE_BYTES);
    }
    expect(bytes()).toBeGreaterThan(0.9 * MAX_HANDLE_BYTES);
  });

  it('keeps names of the usual length up to their number', async () => {
    const { ingress } = createEdge();
    const saved: Saved = { handle: undefined, saves: 0 };
    const labels = many.map((label) => `${label}--shop-gentle-stream-4x7k2m-42`);
    await drive(ingress, saved, 'open', opening(0, 'main', ...labels));
    await drive(ingress, saved, 'open', opening(0, 'main', 'new'));
    expect(ingress.owns(handleOf(saved))).toHaveLength(1 + MAX_ADDRESSES);
  });
});

describe('units', () => {
  async function unitsOf(ingress: Ingress): Promise<Unit[]> {
    const units: Unit[] = [];
    for await (const unit of ingress.list()) units.push(unit);
    return units;
  }

  it('are a tunnel, and each record by itself, whose tunnel may belong to somebody else', async () => {
    const { ingress, tunnels } = createEdge();
    const { id } = await tunnels.ensureTunnel('eph-test-7-1-0');
    const main = await tunnels.ensureRecord('main-pr.eph.test', id, KEY);
    const lost = await tunnels.ensureRecord(
      'lost-pr.eph.test',
      '00000000-0000-4000-8000-00000000dead',
      '7#2',
    );
    const foreign = await tunnels.ensureRecord('other-pr.eph.test', id, '7#2');
    const since = expect.any(Number);
    expect(await unitsOf(ingress)).toEqual([
      { id, what: 'tunnel', environment: KEY, since },
      { id: main.id, what: 'record', environment: KEY, since },
      { id: lost.id, what: 'record', environment: '7#2', since },
      { id: foreign.id, what: 'record', environment: '7#2', since },
    ]);
  });

  it('are what the handles of living environments own', async () => {
    const { ingress } = createEdge();
    const saved: Saved = { handle: undefined, saves: 0 };
    await drive(ingress, saved, 'open', opening(0, 'main', 'api'));
    const ids = (await unitsOf(ingress)).map(({ id }) => id);
    expect(ids.sort()).toEqual(ingress.owns(handleOf(saved)).sort());
  });

  it('are removed whole, also when they are removed twice', async () => {
    const edge = createEdge();
    const { ingress, tunnels } = edge;
    const { id } = await tunnels.ensureTunnel('eph-test-7-1-0');
    await tunnels.ensureRecord('main-pr.eph.test', id, KEY);
    await tunnels.ensureRecord('lost-pr.eph.test', '00000000-0000-4000-8000-00000000dead', KEY);
    const units = await unitsOf(ingress);
    for (const unit of [...units, ...units]) expect(await ingress.discard(unit)).toBe('removed');
    expect(whatExists(edge)).toEqual({ tunnels: [], records: [] });
  });

  it('are not listed in part, because an error of one page fails the list', async () => {
    const { ingress, cloudflare } = createEdge();
    cloudflare.faults.failNext('listRecords', { status: 400, code: 1004, message: 'no' });
    await expect(unitsOf(ingress)).rejects.toMatchObject({ kind: 'transient' });
  });
});

function handleOf({ handle }: Saved): Handle {
  if (!handle) throw new Error('nothing is left of it');
  return handle;
}
