import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { readHostHandle } from '../../lambdas/providers/ec2/host-handle.ts';
import { readReported } from '../../lambdas/providers/github/github-reported.ts';
import { upgradeState, type WrittenState } from '../../lambdas/store/upgrade-state.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { launchOf } from '../fakes/instance-of.ts';
import { readyState } from '../fakes/sample-state.ts';

const file = new URL('../fixtures/v1/rows.json', import.meta.url);
const rows = v.parse(
  v.record(v.string(), v.looseObject({ state: v.looseObject({ records: v.array(v.unknown()) }) })),
  JSON.parse(readFileSync(file, 'utf8')),
);
/** Rows as version 0.1.0 wrote them, in its own type. */
const stateOf = (name: string) => ({ ...rows[name]?.state }) as unknown as WrittenState;
const { ingress } = createTestPlatform().ports;
/** A launch that was begun and whose answer was lost. */
const firstHost = { intent: launchOf(readyState()), attempt: 1, startedAt: 0, heard: false };
const retry = { count: 1, notBefore: 5, insisted: false, code: 'broken', sentence: 'Broken.' };

describe('a state', () => {
  it('of this version stays as it is', () => {
    expect(upgradeState(readyState())).toEqual(readyState());
  });

  it.each(Object.keys(rows))('of version 0.1 that is %s has its tunnel and records in the handle', (name) => {
    const { host: _machine, ...before } = { ...rows[name]?.state };
    const { tunnel, records = [], tunnelEpoch, comment, status, deployment, ...rest } = before;
    const { ingress: handle, openings, told: _words, host: _host, ...kept } = upgradeState(stateOf(name));
    expect(kept).toEqual(rest);
    expect(openings).toBe(tunnelEpoch);
    const left = tunnel !== undefined || records.length > 0;
    expect(handle?.data).toEqual(left ? { ...(tunnel ? { tunnel } : {}), records } : undefined);
    if (handle) expect(ingress.upgrade(handle)).toEqual(handle);
  });

  it('of version 0.1 has its machine in a handle, and the rest that is known of it beside', () => {
    let machines = 0;
    for (const [name, row] of Object.entries(rows)) {
      const before = v.parse(v.optional(v.looseObject({})), row.state?.['host']);
      const { host } = upgradeState(stateOf(name));
      if (!before || !host) {
        expect(host).toBe(before);
        continue;
      }
      machines += 1;
      const { intent, attempt, instanceId, ...known } = before;
      const { handle, ...kept } = host;
      expect(kept).toEqual(known);
      expect(readHostHandle(handle)).toMatchObject({ intent, attempt, instanceId, registered: true });
    }
    expect(machines).toBeGreaterThan(3);
    const lost = upgradeState({
      ...stateOf('ready'),
      host: { ...firstHost, power: 'on' },
    } as unknown as WrittenState);
    expect(lost.host).toMatchObject({ power: 'unknown' });
    expect(lost.host && readHostHandle(lost.host.handle)).not.toHaveProperty('instanceId');
  });

  it.each(Object.keys(rows))(
    'of version 0.1 that is %s has what was reported in the handle of the forge',
    (name) => {
      const { comment, status, deployment } = { ...rows[name]?.state };
      const { told } = upgradeState(stateOf(name));
      const words = readReported(told);
      if (words === 'unknown') throw new Error('it cannot be read');
      const { at: _when, ...kept } = { ...(comment as { at?: number }) };
      expect(words.comment ?? {}).toEqual(kept);
      expect([words.status, words.deployment]).toEqual([status, deployment]);
      expect(told === undefined).toBe(!comment && !status && !deployment);
    },
  );

  it.each([
    ['mail-order', 'write-spec'],
    ['ring-host', 'notify-host'],
    ['settle', 'finalize'],
  ])('of a version that called a step %s is held back at %s', (before, today) => {
    const state = readyState({ retries: { report: retry } });
    expect(upgradeState({ ...state, retries: { report: retry, [before]: retry } }).retries).toEqual({
      report: retry,
      [today]: retry,
    });
    expect(upgradeState(state)).toBe(state);
  });

  it('of the version before keeps its installation, in the state or beside it', () => {
    const { access: _confirmed, ...unconfirmed } = readyState();
    expect(upgradeState(unconfirmed, 7)).toEqual({ ...unconfirmed, access: '7' });
    const before = { ...unconfirmed, installationId: 9, lostInstallation: 8, githubPaidUntil: 5 };
    const after = { ...unconfirmed, access: '9', lostAccess: '8', callsPaidUntil: 5 };
    expect(upgradeState(before, 7)).toEqual(after);
    expect(upgradeState(after, 7)).toEqual(after);
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
