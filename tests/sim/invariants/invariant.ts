import type { Item } from '../../../lambdas/store/table.ts';
import type { WireOp } from '../../fakes/wire.ts';
import type { Process } from '../schedule.ts';
import type { Simulation } from '../simulation.ts';
import type { Wanted } from '../truth.ts';
import type { RowView } from '../view.ts';

/** An effect that has just happened, and what stood there before. */
export interface Effect {
  sim: Simulation;
  process: Process;
  op: WireOp;
  /** Of a write to the table of rows. */
  before: Item | undefined;
  after: Item | undefined;
  result: { ok: true; value: unknown } | { ok: false };
  /** Its caller has given up, or is gone. */
  late: boolean;
}

/** What must be so after every effect that touches it. Answers what is wrong, in words. */
export interface Instant {
  id: string;
  /** Of which calls. */
  touches: RegExp;
  /** Looked at before the effect rather than after it. */
  early?: true;
  broken(effect: Effect): string | undefined;
}

/** What must be so a while after a word about a pull request was received, if nothing disturbs it. */
export interface Timed {
  id: string;
  /** Milliseconds after the word. */
  within(sim: Simulation): number;
  /** Asked when the word comes. */
  concerns(sim: Simulation, wanted: Wanted, row: RowView): boolean;
  broken(sim: Simulation, row: RowView, wanted: Wanted): string | undefined;
}

/** What must be so when all is quiet. */
export interface AtRest {
  id: string;
  broken(sim: Simulation): string | undefined;
}
