import type { Dependencies } from '../reconcile/run.ts';

/**
 * Every environment looks again and asks for the operator's word anew, so that a pause acts at once. Not what
 * is gone, unless it is gone because Eph was being taken down: that comes back when it is not any more.
 */
export async function wakeAll(deps: Dependencies): Promise<number> {
  const { ports } = deps;
  const { rows } = await ports.environments.all();
  const living = rows.filter(({ state }) => state.phase !== 'destroyed' || state.paused !== undefined);
  await ports.jobs.sendAll(
    living.map(({ key }) => ({
      v: 1,
      kind: 'wake',
      delivery: ports.newId(),
      environment: key,
      cause: 'the operator',
      fresh: true,
    })),
  );
  return living.length;
}
