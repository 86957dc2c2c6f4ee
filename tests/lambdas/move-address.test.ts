import { describe, expect, it } from 'vitest';
import { MAX_ADDRESS_MOVES } from '#core/limits';
import type { Moved } from '../../lambdas/providers/handle.ts';
import type { Opening } from '../../lambdas/providers/ingress.ts';
import { moveAddress } from '../../lambdas/reconcile/move-address.ts';
import type { Run } from '../../lambdas/reconcile/run.ts';
import { createTestPlatform, keyOf } from '../fakes/create-test-platform.ts';
import { readyState, sampleIngress } from '../fakes/sample-state.ts';

const key = keyOf(7, 1);
const handle = (data: unknown) => ({ ...sampleIngress, data });

/** A run over a ready row, with a provider that gives one answer for ever, or these answers and then fails. */
async function runWith(...answers: Moved[]) {
  const { ports, config } = createTestPlatform();
  const forge = ports.forges.get(undefined);
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
  const lease = { id: 'lease', until: ports.now() + 1 };
  const row = await ports.environments.claim(key, source, lease, ports.now());
  if (!row || !forge) throw new Error('somebody holds the row');
  row.state = readyState({ openings: 3 });
  const asked: { given: unknown; to: string; opening: Opening }[] = [];
  const ingress: typeof ports.ingress = {
    ...ports.ingress,
    async move(_environment, given, to, opening) {
      asked.push({ given: given?.data, to, opening });
      const answer = answers.length === 1 ? answers[0] : answers[asked.length - 1];
      if (!answer) throw new Error('it did not answer');
      return answer;
    },
  };
  const run: Run = {
    key,
    leaseId: lease.id,
    cause: { delivery: 'd', cause: 'test' },
    row,
    saved: row.state,
    deps: { ports: { ...ports, ingress }, config, nameHash: () => new Uint8Array() },
    forge,
    account: { paidUntil: 0 },
    rechecked: false,
    asked: false,
    answered: false,
    writes: 0,
    hints: new Set(),
    pauseMaxAge: 0,
    events: [],
  };
  const saved = async () => (await ports.environments.read(key))?.state.ingress?.data;
  return { run, asked, saved, now: ports.now() };
}

describe('an address that is moved', () => {
  it('is asked for until it is done, by each handle that came back, with all of its names', async () => {
    const { run, asked } = await runWith(
      { handle: handle(1), done: false, note: 'one' },
      { handle: handle(2), done: false, note: '' },
      { handle: handle(3), done: true, note: 'three' },
    );
    expect(await moveAddress(run, 'open')).toBe('one three');
    expect(asked.map(({ given }) => given)).toEqual([sampleIngress.data, 1, 2]);
    const { hostname = '' } = readyState();
    expect(asked[0]).toMatchObject({
      to: 'open',
      opening: { count: 3, names: [{ hostname, url: `https://${hostname}` }] },
    });
    expect(run.row.state.ingress).toEqual(handle(3));
  });

  it('is saved in the middle where the provider asks for that, and only there', async () => {
    const { run, saved } = await runWith(
      { handle: handle('intent'), saveFirst: true, done: false, note: '' },
      { handle: handle('made'), done: true, note: '' },
    );
    await moveAddress(run, 'open');
    expect(await saved()).toBe('intent');
    const { run: other, saved: neverSaved } = await runWith({ handle: handle(1), done: true, note: '' });
    await moveAddress(other, 'open');
    expect(await neverSaved()).toBeUndefined();
  });

  it('keeps what was done before a failed call', async () => {
    const { run } = await runWith(
      { handle: handle('made'), done: false, note: '' },
      { handle: handle('more'), done: false, note: '' },
    );
    await expect(moveAddress(run, 'open')).rejects.toThrow('it did not answer');
    expect(run.row.state.ingress).toEqual(handle('more'));
  });

  it('is removed from the row where nothing is left of it', async () => {
    const { run } = await runWith({ handle: undefined, done: true, note: '' });
    await moveAddress(run, 'none');
    expect(run.row.state).not.toHaveProperty('ingress');
  });

  it('that takes its time is checked again when the provider asks for it', async () => {
    const { run, now } = await runWith({ handle: handle(1), done: false, note: '', recheckAt: 0 });
    await expect(moveAddress(run, 'open')).rejects.toMatchObject({
      kind: 'transient',
      retryAfter: undefined,
    });
    const later = await runWith({ handle: handle(1), done: false, note: '', recheckAt: now + 5_000 });
    await expect(moveAddress(later.run, 'open')).rejects.toMatchObject({
      kind: 'transient',
      retryAfter: 5_000,
    });
    expect(later.asked).toHaveLength(1);
    expect(later.run.row.state.ingress).toEqual(handle(1));
  });

  it('of a provider that is never done is tried again later', async () => {
    const { run, asked } = await runWith({ handle: handle(1), done: false, note: '' });
    await expect(moveAddress(run, 'open')).rejects.toMatchObject({
      kind: 'transient',
      retryAfter: undefined,
    });
    expect(asked).toHaveLength(MAX_ADDRESS_MOVES);
  });
});
