import type { Dependencies } from '../reconcile/run.ts';
import { askForMissed } from './ask-for-missed.ts';
import { collectAllGarbage } from './collect-all-garbage.ts';
import { drainDeadLetters } from './drain-dead-letters.ts';
import { wakeAll } from './wake-all.ts';
import { wakeDue } from './wake-due.ts';

/** `due` runs every 15 minutes, `compare` every hour (both rules are in `infra/`), `wake-all` after `make pause`. */
export const sweepTasks = ['due', 'compare', 'wake-all'] as const;
export type SweepTask = (typeof sweepTasks)[number];

const partsOf: Record<SweepTask, Record<string, (deps: Dependencies) => Promise<unknown>>> = {
  due: { wakeDue, drainDeadLetters, askForMissed: (deps) => askForMissed(deps, 'recent') },
  compare: { collectAllGarbage, askForMissed: (deps) => askForMissed(deps, 'older') },
  'wake-all': { wakeAll },
};

/** The cleanup. A part that fails does not stop the others; its error is thrown at the end so that the metric moves. */
export async function sweep(task: SweepTask, deps: Dependencies): Promise<Record<string, unknown>> {
  const done: Record<string, unknown> = {};
  const errors: unknown[] = [];
  for (const [name, part] of Object.entries(partsOf[task])) {
    try {
      done[name] = await part(deps);
    } catch (error) {
      errors.push(error);
      deps.ports.log({ level: 'error', message: `${name} failed`, cause: String(error) });
    }
  }
  deps.ports.log({ level: 'info', message: `sweep: ${task}`, ...done });
  if (errors.length > 0) throw new AggregateError(errors, `the sweep "${task}" did not finish`);
  return done;
}
