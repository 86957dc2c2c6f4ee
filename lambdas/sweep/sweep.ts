import type { World } from '../reconcile/run.ts';
import { askForMissed } from './ask-for-missed.ts';
import { compareClouds } from './compare-clouds.ts';
import { drainDeadLetters } from './drain-dead-letters.ts';
import { wakeAll } from './wake-all.ts';
import { wakeDue } from './wake-due.ts';

/** `due` runs every 15 minutes, `compare` every hour (both rules are in `infra/`), `wake-all` after `make pause`. */
export const sweepTasks = ['due', 'compare', 'wake-all'] as const;
export type SweepTask = (typeof sweepTasks)[number];

const partsOf: Record<SweepTask, Record<string, (world: World) => Promise<unknown>>> = {
  due: { wakeDue, drainDeadLetters, askForMissed: (world) => askForMissed(world, 'recent') },
  compare: { compareClouds, askForMissed: (world) => askForMissed(world, 'older') },
  'wake-all': { wakeAll },
};

/** The cleanup. One part that fails does not stop the others, and is thrown at the end so that the metric moves. */
export async function sweep(task: SweepTask, world: World): Promise<Record<string, unknown>> {
  const done: Record<string, unknown> = {};
  const errors: unknown[] = [];
  for (const [name, part] of Object.entries(partsOf[task])) {
    try {
      done[name] = await part(world);
    } catch (error) {
      errors.push(error);
      world.ports.log({ level: 'error', message: `${name} failed`, cause: String(error) });
    }
  }
  world.ports.log({ level: 'info', message: `sweep: ${task}`, ...done });
  if (errors.length > 0) throw new AggregateError(errors, `the sweep "${task}" did not finish`);
  return done;
}
