import { environmentKey } from '#core/environment-key';
import { type Hint, hints } from '#core/hints';
import type { AccessJob, Job, MergeGroupJob, RepositoryJob, WakeJob } from '#core/job';
import { assertNever } from '#core/lifecycle';
import { REPORTS_HELD } from '#core/limits';
import type { Decoded } from './decode-message.ts';
import type { Sighting } from './providers/compute.ts';
import { reconcile } from './reconcile/reconcile.ts';
import type { Cause, Dependencies } from './reconcile/run.ts';

/**
 * A message does two things and no more: it is written to the row (`wakes`, and where the repository is according
 * to it), and then its run tries to take the lease. The message is never lost, whichever run holds the lease.
 */
export async function deliver(message: Decoded, deps: Dependencies): Promise<void> {
  switch (message.kind) {
    case 'job':
      return deliverJob(message.job, deps);
    case 'sightings':
      for (const sighting of message.sightings) await deliverSighting(sighting, deps);
      return;
    case 'malformed':
      deps.ports.log({ level: 'error', message: `malformed message dropped: ${message.problem}` });
      return;
    default:
      return assertNever(message);
  }
}

async function deliverJob(job: Job, deps: Dependencies): Promise<void> {
  const cause = {
    delivery: job.delivery,
    cause: 'action' in job ? `${job.kind} ${job.action}` : `wake ${job.cause}`,
  };
  switch (job.kind) {
    case 'pull_request': {
      const { id, owner, name } = job.repository;
      const source = { access: job.access, owner, name, delivery: job.delivery };
      return reconcile({ key: environmentKey(id, job.number, job.forge), source }, cause, deps);
    }
    case 'wake': {
      if (job.timer !== true) {
        return reconcile({ key: job.environment, hints: hintsIn(job) }, cause, deps);
      }
      const ownTimer = job.sweep !== true;
      return reconcile({ key: job.environment, ifDue: true }, { ...cause, ownTimer }, deps);
    }
    case 'repository':
      return reconcileRepository(job, cause, deps);
    case 'merge_group':
      return passMergeGroup(job, deps);
    case 'access':
      return reconcileAccess(job, cause, deps);
    default:
      return assertNever(job);
  }
}

function hintsIn({ suspect, access, retell, recheck, fresh }: WakeJob): Hint[] {
  const flags = { suspect, access, retell, recheck, fresh };
  return hints.filter((hint) => hint !== 'machine' && flags[hint] === true);
}

/** A vendor's message about a host is a hint: it starts a reconcile, and the reconcile asks the vendor. */
export async function deliverSighting(sighting: Sighting, deps: Dependencies): Promise<void> {
  const { ports } = deps;
  const { environment, delivery } = sighting;
  switch (sighting.kind) {
    case 'report': {
      const { report } = sighting;
      return reconcile({ key: environment }, { delivery, cause: `host ${report}`, report }, deps);
    }
    case 'reports-held': {
      const cause = 'reports of its host, held back';
      await ports.jobs.send({ v: 1, kind: 'wake', delivery, environment, cause }, REPORTS_HELD);
      // This comes last: if the process dies before it, the next report sends the message.
      return sighting.sent(ports.now() + REPORTS_HELD);
    }
    case 'power':
      return reconcileMachine(sighting, deps);
    default:
      return assertNever(sighting);
  }
}

/** Nothing happens if the row knows it already (Eph itself switched the host off). */
async function reconcileMachine(
  sighting: Extract<Sighting, { kind: 'power' }>,
  deps: Dependencies,
): Promise<void> {
  const { environment, unit, power, delivery } = sighting;
  const host = (await deps.ports.environments.read(environment))?.state.host;
  if (!host || !deps.ports.compute.owns(host.handle).includes(unit)) return;
  if (host.power !== 'on' && power === host.power) return;
  const word = { key: environment, hints: ['machine' as const] };
  return reconcile(word, { delivery, cause: `machine ${power}` }, deps);
}

/** This is done only where Eph's check may be required. */
async function passMergeGroup(job: MergeGroupJob, { ports, config }: Dependencies): Promise<void> {
  if (!config.REQUIRED_CHECK) return;
  const { id, owner, name } = job.repository;
  const ref = { repositoryId: id, access: job.access, owner, name };
  await ports.forges.get(job.forge)?.passQueue(ref, job.sha);
}

/** The forge decides what became of a repository; the place named in the message is tried beside the confirmed one. */
async function reconcileRepository(job: RepositoryJob, cause: Cause, deps: Dependencies): Promise<void> {
  const { ports } = deps;
  const { owner, name } = job.repository;
  const source = { access: job.access, owner, name, delivery: job.delivery };
  const keys = await ports.environments.ofRepository(job.repository.id, job.forge);
  for (const key of keys) await ports.environments.wake(key, source, ports.now());
  return wakeEach(keys, cause, deps, { access: true });
}

/** A person who grants access again may do so under another access; the rows of those repositories get it here. */
async function reconcileAccess(job: AccessJob, cause: Cause, deps: Dependencies): Promise<void> {
  const { environments, now } = deps.ports;
  const { forge, access, repositoryIds, action, delivery } = job;
  const keys: string[] = repositoryIds.length === 0 ? await environments.ofAccess(access, forge) : [];
  for (const id of repositoryIds) keys.push(...(await environments.ofRepository(id, forge)));
  if (action === 'created' || action === 'repositories_added') {
    for (const key of keys) {
      const row = await environments.read(key);
      if (row) await environments.wake(key, { ...row.source, access, delivery }, now());
    }
  }
  return wakeEach(keys, cause, deps, { access: true });
}

/** Each gets an invocation of its own: a repository may have more pull requests than one run has time for. */
export async function wakeEach(
  keys: readonly string[],
  cause: Cause,
  deps: Dependencies,
  beside: Pick<WakeJob, 'access'> = {},
): Promise<void> {
  await deps.ports.jobs.sendAll(
    keys.map((environment) => ({
      v: 1,
      kind: 'wake',
      delivery: cause.delivery,
      environment,
      cause: cause.cause,
      ...beside,
    })),
  );
}
