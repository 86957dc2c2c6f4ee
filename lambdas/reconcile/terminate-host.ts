import { omit } from '#core/lifecycle';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/**
 * Removes the host and all that belongs to it. It is safe to repeat after a crash at any point, and also for a host
 * that somebody else terminated: then only what is left is removed.
 */
export async function terminateHost(run: Run): Promise<StepResult> {
  const outcome = await moveHost(run, 'none');
  return { state: omit(run.row.state, 'host', 'order', 'serving', 'onDisk', 'unfinishedSince'), outcome };
}
