import { describe, expect, it } from 'vitest';
import type { Policy } from '#core/desired';
import type { EnvironmentState, Retry } from '#core/environment';
import { newState } from '#core/environment';
import type { Facts } from '#core/lifecycle';
import {
  AWAY_DISK_KEPT,
  BOOT_DEADLINE,
  DEPLOY_DEADLINE,
  GONE_CONFIRMATION,
  GONE_SIGHTINGS,
  MAX_REVISIONS,
  PAUSED_RECHECK,
  STARVATION,
  UNKNOWN_RETRY,
} from '#core/limits';
import { decideOn } from '../fakes/decide-on.ts';
import {
  OTHER_SHA,
  readyState,
  SHA,
  sampleHost,
  samplePull,
  sampleSentSpec,
  without,
} from '../fakes/sample-state.ts';

const unasked: Facts = { pull: { kind: 'unasked' }, instance: { kind: 'unasked' }, open: true };
const notOpen: Facts = { ...unasked, open: false };
const pullIs = (pull: Facts['pull']): Facts => ({ ...unasked, pull });
const unknown = pullIs({ kind: 'unknown' });
const noPull = pullIs({ kind: 'no-pull' });
const noAccess = pullIs({ kind: 'no-access' });
const policy: Policy = { terminateAfter: 1_000_000, listed: true };
const SECOND = 1_000;

const building = (changes: Partial<typeof sampleSentSpec> = {}) => ({ ...sampleSentSpec, ...changes });
const retry = (notBefore: number): Retry => ({
  count: 1,
  notBefore,
  insisted: false,
  code: 'broken',
  sentence: 'Broken.',
});
const closed = { ...samplePull, state: 'closed' as const };
const closedState = (changes: Partial<EnvironmentState> = {}) =>
  readyState({ pull: closed, closedAt: 0, ...changes });
const withdrawn = (changes: Partial<EnvironmentState> = {}) => without(closedState(changes), 'ingress');
const ended = (changes: Partial<EnvironmentState> = {}) =>
  without(withdrawn(changes), 'host', 'order', 'serving');

interface Line {
  so: string;
  state: EnvironmentState;
  facts?: Facts;
  policy?: Policy;
  canReport?: boolean;
  at?: number;
  step: object;
}

/** Each line of the table in `core/lifecycle.ts`, from top to bottom. */
const lines: Line[] = [
  // What GitHub answers
  { so: 'never seen: ask', state: newState(0), step: { kind: 'ask-forge' } },
  {
    so: 'never seen and refused once: ask again later',
    state: { ...newState(0), goneSince: 0 },
    facts: unknown,
    step: { kind: 'wait', until: GONE_SIGHTINGS[0] },
  },
  {
    so: 'never seen and refused twice: it is nothing',
    state: { ...newState(0), goneSince: 0 },
    facts: unknown,
    at: GONE_CONFIRMATION,
    step: { kind: 'finalize', forget: true },
  },
  {
    so: 'never seen and finalized: nothing more',
    state: { ...newState(0), forgetAt: 1, goneSince: 0 },
    facts: unknown,
    at: GONE_CONFIRMATION,
    step: { kind: 'wait', why: 'it never was' },
  },
  {
    so: 'living and not found once: nothing changes',
    state: readyState({ goneSince: 0 }),
    facts: noPull,
    canReport: true,
    step: { kind: 'wait', until: GONE_SIGHTINGS[0] },
  },
  // Deploying
  {
    so: 'somebody terminated the machine: the rest of it is removed first',
    state: readyState({ host: { ...sampleHost, power: 'gone' } }),
    step: { kind: 'terminate-host' },
  },
  { so: 'no settings', state: without(readyState(), 'settings'), step: { kind: 'read-settings' } },
  {
    so: 'the disk may be removed, but GitHub has not known it for long: ask again later',
    state: withdrawn({ host: { ...sampleHost, power: 'off' }, goneSince: 0 }),
    facts: unknown,
    at: 2_000_000,
    step: { kind: 'wait', until: 2_000_000 + UNKNOWN_RETRY },
  },
  {
    so: 'settings of another commit',
    state: readyState({ pull: { ...samplePull, sha: OTHER_SHA } }),
    step: { kind: 'read-settings' },
  },
  {
    so: 'this commit failed: report',
    state: readyState({ failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] } }),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'this commit failed and that was reported: nothing until another push',
    state: without(
      readyState({ failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] } }),
      'host',
      'order',
    ),
    step: { kind: 'wait', why: 'held: nothing-but-a-failed-commit' },
  },
  {
    so: 'a launch whose answer was lost, and the commit has failed since: it is found and ended',
    state: without(
      readyState({
        failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] },
        host: { ...sampleHost, power: 'unknown' },
      }),
      'order',
    ),
    canReport: true,
    step: { kind: 'terminate-host' },
  },
  {
    so: 'wanted again while its address is being removed: that is finished first',
    state: readyState({ withdrawing: true }),
    canReport: true,
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'put to sleep while its address is being removed: that is finished first',
    state: readyState({ withdrawing: true, paused: 'everything' }),
    step: { kind: 'withdraw-address' },
  },
  { so: 'no machine', state: without(readyState(), 'host', 'order'), step: { kind: 'launch-host' } },
  {
    so: 'a launch whose answer was lost',
    state: readyState({ host: { ...sampleHost, power: 'unknown' } }),
    step: { kind: 'launch-host' },
  },
  {
    so: 'machine off',
    state: readyState({ host: { ...sampleHost, power: 'off' } }),
    step: { kind: 'start-host' },
  },
  {
    so: 'no address',
    state: without(readyState(), 'ingress'),
    facts: notOpen,
    step: { kind: 'open-address' },
  },
  {
    so: 'an address that does not lead here by every name',
    state: readyState(),
    facts: notOpen,
    step: { kind: 'open-address' },
  },
  {
    so: 'an address that could not be opened a moment ago',
    state: readyState({ retries: { 'open-address': retry(SECOND) } }),
    facts: notOpen,
    step: { kind: 'wait', until: SECOND },
  },
  { so: 'no deployment spec', state: without(readyState(), 'order'), step: { kind: 'write-spec' } },
  {
    so: 'a deployment spec of another commit, being built: the newest wins',
    state: readyState({ order: building({ sha: OTHER_SHA }), unfinishedSince: 0 }),
    at: SECOND,
    step: { kind: 'write-spec' },
  },
  {
    so: 'nothing has finished for ten minutes: the running build may finish',
    state: readyState({ order: building({ sha: OTHER_SHA, mailedAt: STARVATION }), unfinishedSince: 0 }),
    at: STARVATION,
    step: { kind: 'wait', until: STARVATION + DEPLOY_DEADLINE },
  },
  {
    so: 'nothing has finished for ten minutes, nor does the running build until its deadline',
    state: readyState({ order: building({ sha: OTHER_SHA }), unfinishedSince: 0 }),
    at: DEPLOY_DEADLINE,
    step: { kind: 'give-up', failure: { code: 'deploy_timeout' } },
  },
  {
    so: 'it serves, and another deployment spec was begun without a known result: the host may have that one',
    state: readyState({ order: building({ finished: 'ready' }), generation: 2 }),
    step: { kind: 'write-spec' },
  },
  {
    so: 'nothing has finished for ten minutes, and the host may have another deployment spec than the one that is known',
    state: readyState({
      order: building({ sha: OTHER_SHA, mailedAt: STARVATION }),
      generation: 2,
      unfinishedSince: 0,
    }),
    at: STARVATION,
    step: { kind: 'write-spec' },
  },
  {
    so: 'superseded by a deployment spec that was lost',
    state: readyState({ order: building({ finished: 'superseded' }) }),
    step: { kind: 'write-spec' },
  },
  {
    so: 'failed once, another commit came and went: another try',
    state: readyState({ order: building({ finished: 'failed' }) }),
    step: { kind: 'write-spec' },
  },
  // Waiting for the machine
  {
    so: 'the machine asks for something',
    state: readyState({ order: building({ needs: 'archive' }) }),
    step: { kind: 'write-spec' },
  },
  {
    so: 'the machine asks for the same again and again: it has failed',
    state: readyState({ order: building({ needs: 'archive', revision: MAX_REVISIONS }) }),
    step: { kind: 'give-up', failure: { code: 'source_asked_too_often' } },
  },
  {
    so: 'not notified',
    state: readyState({ order: building({ rung: false }) }),
    canReport: true,
    step: { kind: 'notify-host' },
  },
  {
    so: 'not notified, and it cannot be notified now: report meanwhile',
    state: readyState({ order: building({ rung: false }), retries: { 'notify-host': retry(SECOND) } }),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'not notified, and it cannot be notified now: notified again in time',
    state: readyState({ order: building({ rung: false }), retries: { 'notify-host': retry(SECOND) } }),
    step: { kind: 'wait', until: SECOND },
  },
  {
    so: 'not notified, but it has ended: it need not be notified',
    state: readyState({ order: building({ rung: false, finished: 'ready' }) }),
    step: { kind: 'wait', why: 'nothing to do' },
  },
  {
    so: 'being built: report',
    state: readyState({ order: building() }),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'being built and reported: wait until the deadline',
    state: readyState({ order: building() }),
    step: { kind: 'wait', until: DEPLOY_DEADLINE },
  },
  {
    so: 'booting: wait until the boot deadline',
    state: readyState({ order: building(), host: { ...sampleHost, heard: false } }),
    step: { kind: 'wait', until: BOOT_DEADLINE },
  },
  {
    so: 'unresponsive past the boot deadline: another machine',
    state: readyState({ order: building(), host: { ...sampleHost, heard: false } }),
    at: BOOT_DEADLINE,
    step: { kind: 'replace-host' },
  },
  {
    so: 'the second unresponsive machine: give up',
    state: readyState({ order: building(), host: { ...sampleHost, heard: false }, silentHosts: 1 }),
    at: BOOT_DEADLINE,
    step: { kind: 'give-up', failure: { code: 'host_silent' } },
  },
  {
    so: 'an unresponsive machine that reported before it was switched off: its disk is kept',
    state: readyState({ order: building(), host: { ...sampleHost, heard: false, everHeard: true } }),
    at: BOOT_DEADLINE,
    step: { kind: 'give-up', failure: { sentence: expect.stringContaining('its disk is kept') } },
  },
  {
    so: 'a machine whose deployment spec came minutes after it was switched on has its time from then',
    state: readyState({
      order: building({ mailedAt: BOOT_DEADLINE }),
      host: { ...sampleHost, heard: false },
    }),
    at: BOOT_DEADLINE,
    step: { kind: 'wait', until: 2 * BOOT_DEADLINE },
  },
  {
    so: 'built for too long: give up',
    state: readyState({ order: building() }),
    at: DEPLOY_DEADLINE,
    step: { kind: 'give-up', failure: { code: 'deploy_timeout' } },
  },
  { so: 'ready: report', state: readyState(), canReport: true, step: { kind: 'report' } },
  { so: 'ready and reported: nothing', state: readyState(), step: { kind: 'wait', why: 'nothing to do' } },
  // Paused by the operator
  {
    so: 'paused for launches, no machine: report',
    state: without(readyState({ paused: 'launches' }), 'host', 'order'),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'paused for launches, no machine, reported: wait, and check from time to time',
    state: without(readyState({ paused: 'launches' }), 'host', 'order'),
    step: { kind: 'wait', until: PAUSED_RECHECK, why: 'held: launches-paused' },
  },
  {
    so: 'paused for launches, the machine is off: it is not started',
    state: readyState({ paused: 'launches', host: { ...sampleHost, power: 'off' } }),
    step: { kind: 'wait', why: 'held: launches-paused' },
  },
  {
    so: 'paused for launches, a launch without an answer: it is found',
    state: readyState({ paused: 'launches', host: { ...sampleHost, power: 'unknown' } }),
    step: { kind: 'stop-host' },
  },
  {
    so: 'paused for launches, the machine runs: a push is deployed',
    state: readyState({ paused: 'launches', order: building({ sha: OTHER_SHA, finished: 'ready' }) }),
    step: { kind: 'write-spec' },
  },
  {
    so: 'paused for launches, another commit: its settings are read, because it may not be listed',
    state: without(readyState({ paused: 'launches', pull: { ...samplePull, sha: OTHER_SHA } }), 'host'),
    step: { kind: 'read-settings' },
  },
  {
    so: 'everything is paused: the machine off',
    state: readyState({ paused: 'everything' }),
    canReport: true,
    step: { kind: 'stop-host' },
  },
  {
    so: 'everything is paused and this commit failed: the machine off all the same',
    state: readyState({
      paused: 'everything',
      failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] },
    }),
    step: { kind: 'stop-host' },
  },
  {
    so: 'everything is paused, the machine is off: report',
    state: readyState({ paused: 'everything', host: { ...sampleHost, power: 'off' } }),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'everything is paused, the machine is off, reported: nothing is withdrawn',
    state: readyState({ paused: 'everything', host: { ...sampleHost, power: 'off' } }),
    step: { kind: 'wait', until: PAUSED_RECHECK },
  },
  {
    so: 'paused and closed by its people: closing goes on',
    state: closedState({ paused: 'everything' }),
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'Eph is taken down: the address first',
    state: readyState({ paused: 'closed', closedAt: 0 }),
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'Eph is taken down: then the machine, without grace and without a call to GitHub',
    state: without(readyState({ paused: 'closed', closedAt: 0 }), 'ingress'),
    step: { kind: 'terminate-host' },
  },
  {
    so: 'Eph is taken down, nothing left: gone, also what was declined',
    state: ended({ pull: { ...samplePull, draft: true }, paused: 'closed' }),
    step: { kind: 'finalize', forget: true },
  },
  {
    so: 'Eph is taken down before GitHub was ever asked: gone',
    state: { ...newState(0), paused: 'closed' },
    step: { kind: 'finalize', forget: true },
  },
  {
    so: 'Eph is taken down and that is finalized: nothing',
    state: { ...newState(0), paused: 'closed', forgetAt: 1 },
    step: { kind: 'wait', why: 'it never was' },
  },
  // Retries
  {
    so: 'a launch failed a moment ago: report',
    state: without(readyState({ retries: { 'launch-host': retry(SECOND) } }), 'host', 'order'),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'a launch failed a moment ago and that was reported: wait',
    state: without(readyState({ retries: { 'launch-host': retry(SECOND) } }), 'host', 'order'),
    step: { kind: 'wait', until: SECOND },
  },
  {
    so: 'a launch failed and the report did too: the sooner of the two',
    state: without(
      readyState({ retries: { 'launch-host': retry(9 * SECOND), report: retry(SECOND) } }),
      'host',
      'order',
    ),
    canReport: true,
    step: { kind: 'wait', until: SECOND },
  },
  {
    so: 'the retry is due',
    state: without(readyState({ retries: { 'launch-host': retry(SECOND) } }), 'host', 'order'),
    at: SECOND,
    step: { kind: 'launch-host' },
  },
  // Removing
  {
    so: 'closed: the address first',
    state: closedState(),
    canReport: true,
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'declined: the address first',
    state: readyState({ pull: { ...samplePull, draft: true }, closedAt: 0 }),
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'archived: the address first',
    state: readyState({ pull: { ...samplePull, archived: true }, closedAt: 0 }),
    step: { kind: 'withdraw-address' },
  },
  {
    so: 'the address cannot be removed now: the machine is switched off all the same',
    state: closedState({ retries: { 'withdraw-address': retry(SECOND) } }),
    step: { kind: 'stop-host' },
  },
  {
    so: 'the address cannot be removed now, the machine is off: try the address again in time',
    state: closedState({
      retries: { 'withdraw-address': retry(SECOND) },
      host: { ...sampleHost, power: 'off' },
    }),
    step: { kind: 'wait', until: SECOND },
  },
  {
    so: 'nothing but the address is left, and it cannot be removed now: not finalized',
    state: without(
      closedState({ retries: { 'withdraw-address': retry(SECOND) } }),
      'host',
      'order',
      'serving',
    ),
    step: { kind: 'wait', until: SECOND },
  },
  { so: 'withdrawn: switch off', state: withdrawn(), step: { kind: 'stop-host' } },
  {
    so: 'off: report',
    state: withdrawn({ host: { ...sampleHost, power: 'off' } }),
    canReport: true,
    step: { kind: 'report' },
  },
  {
    so: 'off and reported: the disk is kept',
    state: withdrawn({ host: { ...sampleHost, power: 'off' } }),
    step: { kind: 'wait', until: 1_000_000 },
  },
  {
    so: 'the grace is over: ask GitHub before the disk is removed',
    state: withdrawn({ host: { ...sampleHost, power: 'off' } }),
    at: 1_000_000,
    step: { kind: 'ask-forge' },
  },
  {
    so: 'the grace is over and GitHub confirms the closing in this run: terminate',
    state: withdrawn({ host: { ...sampleHost, power: 'off' } }),
    facts: pullIs({ kind: 'known', pull: closed, access: '1' }),
    at: 1_000_000,
    step: { kind: 'terminate-host' },
  },
  {
    so: 'the grace is over and GitHub refuses to answer: the disk stays',
    state: withdrawn({ host: { ...sampleHost, power: 'off' } }),
    facts: unknown,
    at: 1_000_000,
    step: { kind: 'wait', until: 1_000_000 + UNKNOWN_RETRY },
  },
  {
    so: 'the grace is over, GitHub refuses to answer, and the machine runs: switched off',
    state: withdrawn(),
    facts: unknown,
    at: 1_000_000,
    step: { kind: 'stop-host' },
  },
  {
    so: 'the grace is over and the pull request is not found, for the first time: ask again soon',
    state: withdrawn({ goneSince: 1_000_000, host: { ...sampleHost, power: 'off' } }),
    facts: noPull,
    at: 1_000_000,
    step: { kind: 'wait', until: 1_000_000 + GONE_SIGHTINGS[0] },
  },
  {
    so: 'no access, just proved: switched off',
    state: withdrawn({ away: { since: 0, why: 'no-access' }, pull: samplePull }),
    facts: noAccess,
    policy: { ...policy, terminateAfter: 0 },
    step: { kind: 'stop-host' },
  },
  {
    so: 'no access for less than a day: the disk is kept, whatever the operator’s grace',
    state: withdrawn({ away: { since: 0, why: 'no-access' }, host: { ...sampleHost, power: 'off' } }),
    facts: noAccess,
    policy: { ...policy, terminateAfter: 0 },
    at: AWAY_DISK_KEPT - 1,
    step: { kind: 'wait', until: AWAY_DISK_KEPT },
  },
  {
    so: 'no access for a day: prove it again first',
    state: withdrawn({ away: { since: 0, why: 'no-access' }, host: { ...sampleHost, power: 'off' } }),
    at: AWAY_DISK_KEPT,
    step: { kind: 'ask-forge' },
  },
  {
    so: 'no access for a day, proved again: terminate',
    state: withdrawn({ away: { since: 0, why: 'no-access' }, host: { ...sampleHost, power: 'off' } }),
    facts: noAccess,
    at: AWAY_DISK_KEPT,
    step: { kind: 'terminate-host' },
  },
  {
    so: 'no access for a day, and now GitHub refuses to answer: the disk stays',
    state: withdrawn({ away: { since: 0, why: 'no-access' }, host: { ...sampleHost, power: 'off' } }),
    facts: unknown,
    at: AWAY_DISK_KEPT,
    step: { kind: 'wait', until: AWAY_DISK_KEPT + UNKNOWN_RETRY },
  },
  {
    so: 'closed long ago and then no access: a day from then',
    state: withdrawn({
      closedAt: -2 * AWAY_DISK_KEPT,
      away: { since: 0, why: 'no-access' },
      host: { ...sampleHost, power: 'off' },
    }),
    facts: noAccess,
    step: { kind: 'wait', until: AWAY_DISK_KEPT },
  },
  {
    so: 'no grace at all: terminate what is on',
    state: withdrawn(),
    facts: pullIs({ kind: 'known', pull: closed, access: '1' }),
    policy: { ...policy, terminateAfter: 0 },
    step: { kind: 'terminate-host' },
  },
  {
    so: 'somebody terminated it: the rest of it is removed, without a call to GitHub',
    state: withdrawn({ host: { ...sampleHost, power: 'gone' } }),
    step: { kind: 'terminate-host' },
  },
  { so: 'nothing left: finalize', state: ended(), step: { kind: 'finalize', forget: true } },
  {
    so: 'declined and nothing left but what its disk had: finalize',
    state: ended({ pull: { ...samplePull, fork: true }, onDisk: { sha: SHA, generation: 1 } }),
    step: { kind: 'finalize', forget: false },
  },
  {
    so: 'closed after it was declined: finalize again',
    state: ended({ pull: { ...closed, fork: true } }),
    step: { kind: 'finalize', forget: true },
  },
  { so: 'finalized: report', state: ended({ forgetAt: 1 }), canReport: true, step: { kind: 'report' } },
  {
    so: 'finalized and reported: nothing',
    state: ended({ forgetAt: 1 }),
    step: { kind: 'wait', why: 'nothing is left' },
  },
];

describe('decide', () => {
  it.each(lines)(
    '$so',
    ({ state, facts = unasked, policy: under = policy, canReport = false, at = 0, step }) => {
      expect(decideOn(state, facts, under, canReport, at)).toMatchObject(step);
    },
  );
});
