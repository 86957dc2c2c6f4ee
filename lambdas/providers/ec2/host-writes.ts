import { REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import { absent, all, any, atMost, exists } from '../../store/condition.ts';
import type { KeyNames } from '../../store/item-key.ts';
import type { Write } from '../../store/write.ts';

export const hostKey: KeyNames = { partition: 'instanceId' };

/**
 * Every write to a row of the table of hosts except the first. None of them makes a row: a machine whose row was
 * deleted must not get a new row without an environment.
 *
 * Each admitted report is paid for with a piece of time, `reportsPaidUntil`; a host may be ahead by a burst.
 */
export const hostWrites = {
  /** A report after a time without reports, which is the usual case. */
  payWhenQuiet(instanceId: string, now: number): Write {
    return {
      verb: 'payWhenQuiet',
      key: instanceId,
      set: { reportsPaidUntil: now + REPORT_INTERVAL },
      condition: all(exists('instanceId'), any(absent('reportsPaidUntil'), atMost('reportsPaidUntil', now))),
    };
  },

  payAhead(instanceId: string, now: number): Write {
    return {
      verb: 'payAhead',
      key: instanceId,
      set: {},
      add: { reportsPaidUntil: REPORT_INTERVAL },
      condition: atMost('reportsPaidUntil', now + REPORT_BURST * REPORT_INTERVAL),
    };
  },

  hold(instanceId: string, until: number): Write {
    const set = { reportsHeldUntil: until };
    return { verb: 'hold', key: instanceId, set, condition: exists('instanceId') };
  },
};
