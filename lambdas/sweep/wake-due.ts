import { DUE_CAP } from '#core/limits';
import type { Dependencies } from '../reconcile/run.ts';

/** Wakes rows whose next reconcile is due: retries, deadlines, disks that were kept long enough, runs that crashed. */
export async function wakeDue(deps: Dependencies): Promise<number> {
  const { ports } = deps;
  const keys = await ports.environments.due(ports.now(), DUE_CAP);
  await ports.jobs.sendAll(
    keys.map((environment) => ({
      v: 1,
      kind: 'wake',
      delivery: ports.newId(),
      environment,
      cause: 'due',
      timer: true,
      sweep: true,
    })),
  );
  return keys.length;
}
