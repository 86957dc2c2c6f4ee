import type { Dependencies } from '../reconcile/run.ts';

/**
 * Wakes every environment, so that it reads the operator's pause again and a pause acts at once. A destroyed
 * environment is not woken, unless it was destroyed because Eph was being taken down: that one comes back afterwards.
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
