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

const lateWord = /^github (issues|repos)\//;

export const knownDefects: readonly KnownDefect[] = [
  {
    title:
      'A comment, status or deployment that takes effect after its caller gave up is never looked at again',
    invariant: 'I22',
    explains: ({ history }) => [...history.marks.late].some((call) => lateWord.test(call)),
  },
  {
    title: 'What was told is forgotten after a death or a return of access, and then a status is not ended',
    invariant: 'I22',
    explains: (_sim, why) => why.includes('its status was never ended'),
  },
  {
    title: 'An archived repository is not archived any more, and the deployment from before is never ended',
    invariant: 'I22',
    explains: ({ history }, why) => why.endsWith('live deployments') && history.marks.archived,
  },
];

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
