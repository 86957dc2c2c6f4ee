import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { upgradeState, type WrittenState } from '../../lambdas/store/upgrade-state.ts';
import { createWorld } from '../fakes/create-world.ts';
import { readyState } from '../fakes/sample-state.ts';

const file = new URL('../fixtures/v1/rows.json', import.meta.url);
const rows = v.parse(
  v.record(v.string(), v.looseObject({ state: v.looseObject({ records: v.array(v.unknown()) }) })),
  JSON.parse(readFileSync(file, 'utf8')),
);
/** What version 0.1.0 wrote, which its type alone says. */
const stateOf = (name: string) => ({ ...rows[name]?.state }) as unknown as WrittenState;
const { ingress } = createWorld().ports;
const retry = { count: 1, notBefore: 5, insisted: false, code: 'broken', sentence: 'Broken.' };

describe('a state', () => {
  it('of today stays as it is', () => {
    expect(upgradeState(readyState())).toEqual(readyState());
  });

  it.each(Object.keys(rows))('of version 0.1 that is %s has its tunnel and records in the handle', (name) => {
    const { tunnel, records = [], tunnelEpoch, ...rest } = { ...rows[name]?.state };
    const { ingress: handle, openings, ...kept } = upgradeState(stateOf(name));
    expect(kept).toEqual(rest);
    expect(openings).toBe(tunnelEpoch);
    const left = tunnel !== undefined || records.length > 0;
    expect(handle?.data).toEqual(left ? { ...(tunnel ? { tunnel } : {}), records } : undefined);
    if (handle) expect(ingress.upgrade(handle)).toEqual(handle);
  });

  it('of version 0.1 that served is open, and its provider owns what it had', () => {
    const state = upgradeState(stateOf('ready'));
    const names = [state.hostname ?? '', ...state.services.map(({ hostname }) => hostname)];
    expect(
      ingress.isOpen(
        state.ingress,
        names.map((hostname) => ({ hostname, url: '' })),
      ),
    ).toBe(true);
    if (!state.ingress) throw new Error('there is nothing left of it');
    expect(ingress.owns(state.ingress)).toHaveLength(1 + new Set(names).size);
  });

  it('of version 0.1 that was held back goes on waiting', () => {
    const held = (step: string): WrittenState => ({ ...stateOf('ready'), retries: { [step]: retry } });
    const retriesOf = (step: string) => upgradeState(held(step)).retries;
    expect(retriesOf('ensure-tunnel')).toEqual({ 'open-address': retry });
    expect(retriesOf('ensure-records')).toEqual({ 'open-address': retry });
    expect(retriesOf('withdraw-url')).toEqual({ 'withdraw-address': retry });
    expect(retriesOf('report')).toEqual({ report: retry });
  });
});
