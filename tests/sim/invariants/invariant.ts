import type { Item } from '../../../lambdas/store/table.ts';
import type { WireOp } from '../../fakes/wire.ts';
import type { Process } from '../schedule.ts';
import type { Simulation } from '../simulation.ts';
import type { Wanted } from '../truth.ts';
import type { RowView } from '../view.ts';

/** An effect that has just happened, and the value before it. */
export interface Effect {
  sim: Simulation;
  process: Process;
  op: WireOp;
  /** The row of a write to the table of rows. */
  before: Item | undefined;
  after: Item | undefined;
  result: { ok: true; value: unknown } | { ok: false };
  /** Its caller has given up, or is gone. */
  late: boolean;
}

/** A condition that must hold after every effect that touches it. Returns what is wrong, in words. */
export interface Instant {
  id: string;
  /** The calls that it is about. */
  touches: RegExp;
  /** It is checked before the effect rather than after it. */
  early?: true;
  broken(effect: Effect): string | undefined;
}

/** A condition that must hold some time after a message about a pull request, without disturbances. */
export interface Timed {
  id: string;
  /** Milliseconds after the message. */
  within(sim: Simulation): number;
  /** Called when the message comes. */
  concerns(sim: Simulation, wanted: Wanted, row: RowView): boolean;
  broken(sim: Simulation, row: RowView, wanted: Wanted): string | undefined;
}

/** A condition that must hold at rest. */
export interface AtRest {
  id: string;
  broken(sim: Simulation): string | undefined;
}
