import process from 'node:process';
import type { SimWorld } from './sim-world.ts';

/**
 * What the code is known to get wrong, each by the invariant that it breaks and by what must have happened first.
 * Whoever mends one takes it out of here, and the simulation holds it from then on. `STRICT=1` allows for none.
 */
export interface KnownDefect {
  title: string;
  invariant: string;
  /** Is this the cause of it? */
  explains(sim: SimWorld, why: string): boolean;
}

export const knownDefects: readonly KnownDefect[] = [];

/** How often each has been met, for the report of a run. */
export const met = new Map<string, number>();

export function isKnown(sim: SimWorld, invariant: string, why: string): boolean {
  if (process.env['STRICT']) return false;
  const known = knownDefects.find(
    (one) => invariant.startsWith(`${one.invariant} `) && one.explains(sim, why),
  );
  if (!known) return false;
  sim.history.marks.known.add(known.title);
  met.set(known.title, (met.get(known.title) ?? 0) + 1);
  return true;
}
