import * as v from 'valibot';
import { sweep, sweepTasks } from '../sweep/sweep.ts';
import { loadDependencies } from '../wiring.ts';

const scheduleSchema = v.object({ task: v.picklist(sweepTasks) });

export async function handler(event: unknown): Promise<Record<string, unknown>> {
  const { task } = v.parse(scheduleSchema, event);
  return sweep(task, await loadDependencies());
}
