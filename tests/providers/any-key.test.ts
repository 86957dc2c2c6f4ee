import { describe, expect, it } from 'vitest';
import { type EnvironmentKey, formatKey } from '#core/environment-key';
import type { Handle, Moved, Unit } from '../../lambdas/providers/handle.ts';
import { markedKey } from '../../lambdas/providers/marked-key.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { launchOf } from '../fakes/instance-of.ts';
import { readyState } from '../fakes/sample-state.ts';

const keys: [string, EnvironmentKey][] = [
  ['a pull request', { kind: 'pull', repositoryId: 7, number: 1 }],
  ['a variant', { kind: 'pull', repositoryId: 7, number: 1, variant: 'arm' }],
  ['a branch of 255 characters', { kind: 'branch', repositoryId: 7, branch: `feature/${'a'.repeat(247)}` }],
  ['another that begins alike', { kind: 'branch', repositoryId: 7, branch: `feature/${'a'.repeat(246)}b` }],
  ['a name', { kind: 'name', repositoryId: 7, name: 'demo for the board' }],
  ['a pull request elsewhere', { kind: 'pull', forge: 'plain', repositoryId: 7, number: 1 }],
];

/** Calls until it is done, as the reconciler does. A run that dies leaves the first handle that is to be saved. */
async function ask(move: (handle: Handle | undefined) => Promise<Moved>, from?: Handle) {
  let saved: Handle | undefined;
  let handle = from;
  for (let count = 0; count < 20; count += 1) {
    const moved = await move(handle);
    handle = moved.handle;
    if (moved.saveFirst) saved = handle;
    if (moved.done) return { handle, saved };
  }
  throw new Error('it is not done');
}

async function unitsOf(kept: { list(): AsyncIterable<Unit> }): Promise<Unit[]> {
  const units: Unit[] = [];
  for await (const unit of kept.list()) units.push(unit);
  return units;
}

describe.each(keys)('a host and an address of %s', (_what, of) => {
  const key = formatKey(of);
  const options = { attempt: 1, refusals: 0, config: undefined };

  it('are listed with its key, and found again by a run that knows only the beginning', async () => {
    const { ports } = createTestPlatform();
    const host = await ask((handle) => ports.compute.move(key, handle, 'running', options));
    const again = await ask((handle) => ports.compute.move(key, handle, 'running', options), host.saved);
    expect(again.handle).toEqual(host.handle);
    const machines = await unitsOf(ports.compute);
    expect(machines.map(({ environment }) => environment)).toEqual([markedKey(key)]);

    const opening = { count: 3, names: [{ hostname: 'shop-pr.eph.test', url: '' }] };
    const address = await ask((handle) => ports.ingress.move(key, handle, 'open', opening));
    const found = await ask((handle) => ports.ingress.move(key, handle, 'open', opening), address.saved);
    expect(found.handle).toEqual(address.handle);
    const units = await unitsOf(ports.ingress);
    expect(units.map(({ what, environment }) => [what, environment])).toEqual([
      ['tunnel', markedKey(key)],
      ['record', markedKey(key)],
    ]);
    if (!address.handle) throw new Error('nothing was opened');
    const checked = await ports.ingress.check(key, address.handle);
    expect(checked).toEqual({ handle: address.handle, attached: true });
    await ask((handle) => ports.ingress.move(key, handle, 'none', opening), address.saved);
    expect(await unitsOf(ports.ingress)).toEqual([]);
  });

  it('are not found for any other key', async () => {
    const { ports } = createTestPlatform();
    const opening = { count: 0, names: [{ hostname: 'shop-pr.eph.test', url: '' }] };
    const { handle } = await ask((known) => ports.ingress.move(key, known, 'open', opening));
    if (!handle) throw new Error('nothing was opened');
    for (const [, other] of keys) {
      const theirs = formatKey(other);
      if (theirs === key) continue;
      const hers = await ports.ingress.check(theirs, handle);
      expect(hers.attached).toBe(false);
      await expect(ask((known) => ports.ingress.move(theirs, known, 'open', opening))).rejects.toMatchObject({
        code: 'hostname_taken',
      });
    }
  });

  it('have a token of a launch that EC2 accepts', async () => {
    const { ports } = createTestPlatform();
    const { handle } = await ports.compute.move(key, undefined, 'running', { ...options, attempt: 999_999 });
    if (!handle) throw new Error('nothing was begun');
    const { host } = readyState();
    const launch = launchOf(host ? { host: { ...host, handle } } : {});
    expect(launch?.clientToken).toMatch(/^[\x21-\x7e]{1,64}$/);
  });
});
