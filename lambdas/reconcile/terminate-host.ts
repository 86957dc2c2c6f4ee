import { omit } from '#core/lifecycle';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/**
 * The host with all that belongs to it. Repeating it after a crash anywhere in between is harmless, and so is doing it
 * for one that somebody else ended: then only what is left of it goes.
 */
export async function terminateHost(run: Run): Promise<StepResult> {
  const outcome = await moveHost(run, 'none');
  return { state: omit(run.row.state, 'host', 'order', 'serving', 'onDisk', 'unfinishedSince'), outcome };
}
