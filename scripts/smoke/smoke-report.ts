import type { Terminal } from '../../infra/terminal/terminal.ts';
import { type SmokePoint, type SmokePointId, smokePoints } from './smoke-points.ts';

/** The answers, printed as they come. A point without an answer was not reached. */
export interface SmokeReport {
  yes(id: SmokePointId, detail: string): void;
  no(id: SmokePointId, detail: string): void;
  /** Neither yes nor no: the reason why it could not be tested. */
  unknown(id: SmokePointId, reason: string): void;
  /** Prints the points that were not reached. */
  close(): { no: number; unknown: number };
}

export function createSmokeReport(terminal: Terminal, local: boolean): SmokeReport {
  const answered = new Map<SmokePointId, 'yes' | 'no' | 'unknown'>();
  const pointOf = (id: SmokePointId): SmokePoint => smokePoints[id];

  function unknown(id: SmokePointId, reason: string): void {
    answered.set(id, 'unknown');
    terminal.mark('skipped', `not shown: ${pointOf(id).claim}; ${reason}`);
  }

  return {
    yes(id, detail) {
      const { claim, localReason } = pointOf(id);
      if (local && localReason) return unknown(id, `a local platform cannot: ${localReason}`);
      answered.set(id, 'yes');
      terminal.mark('done', `yes: ${claim} (${detail})`);
    },
    no(id, detail) {
      const { claim, fix, localReason } = pointOf(id);
      if (local && localReason) return unknown(id, `a local platform cannot: ${localReason}`);
      answered.set(id, 'no');
      terminal.mark('failed', `no: ${claim}: ${detail}`, fix);
    },
    unknown,
    close() {
      const ids = Object.keys(smokePoints) as SmokePointId[];
      for (const id of ids.filter((one) => !answered.has(one))) unknown(id, 'not reached');
      const count = (answer: string) => [...answered.values()].filter((one) => one === answer).length;
      return { no: count('no'), unknown: count('unknown') };
    },
  };
}
