import { DUE_CAP } from '#core/limits';
import type { Dependencies } from '../reconcile/run.ts';

/** Rows whose next look has come: retries, deadlines, disks whose time is over, runs that crashed. */
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
