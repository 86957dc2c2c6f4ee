import type { Terminal } from '../../infra/terminal/terminal.ts';
import { type SmokePoint, type SmokePointId, smokePoints } from './smoke-points.ts';

/** The answers, said as they come. A point that nobody answered was not reached. */
export interface SmokeReport {
  yes(id: SmokePointId, detail: string): void;
  no(id: SmokePointId, detail: string): void;
  /** Neither: why it could not be asked. */
  unknown(id: SmokePointId, reason: string): void;
  /** Says what was not reached. */
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
