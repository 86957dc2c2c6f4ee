import type { RepositoryJob } from '#core/job';
import { assertNever } from '#core/lifecycle';
import { environmentKey } from '#core/names';
import type { Message } from './decode-message.ts';
import { reconcile } from './reconcile/reconcile.ts';
import type { Cause, World } from './reconcile/run.ts';

/**
 * A message does two things and no more: it says its word to the row (`wakes`, and where the repository is
 * said to be), and tries to be the one who looks. The word is never lost, whoever looks.
 */
export async function deliver(message: Message, world: World): Promise<void> {
  const { ports } = world;
  if (message.kind === 'power') return lookAtMachine(message, world);
  if (message.kind === 'report') {
    const environment = await ports.records.environmentOfHost(message.instanceId);
    if (!environment) {
      ports.log({
        level: 'warn',
        message: 'a report from a machine of no environment',
        instanceId: message.instanceId,
      });
      return;
    }
    const cause = { delivery: message.delivery, cause: `host ${message.report}`, report: message.report };
    return reconcile({ key: environment }, cause, world);
  }

  const { job } = message;
  const cause = {
    delivery: job.delivery,
    cause: 'action' in job ? `${job.kind} ${job.action}` : `wake ${job.cause}`,
  };
  switch (job.kind) {
    case 'pull_request': {
      const { id, owner, name } = job.repository;
      const source = { installationId: job.installationId, owner, name, delivery: job.delivery };
      return reconcile({ key: environmentKey(id, job.number), source }, cause, world);
    }
    case 'wake': {
      const { suspect = false, gone = false, deleted = false, fresh = false } = job;
      const word = { key: job.environment, ...(job.timer ? { ifDue: true } : {}) };
      return reconcile(word, { ...cause, suspect, gone, deleted, fresh }, world);
    }
    case 'repository':
      return lookAtRepository(job, cause, world);
    case 'installation': {
      const keys =
        job.repositoryIds.length > 0
          ? (await Promise.all(job.repositoryIds.map((id) => ports.environments.ofRepository(id)))).flat()
          : await ports.environments.ofInstallation(job.installationId);
      return wakeEach(keys, { ...cause, gone: job.action !== 'unsuspend' }, world);
    }
    default:
      return assertNever(job);
  }
}

/** Machines of others are none of ours; what the row knows already (we switched it off ourselves) is no news. */
async function lookAtMachine(message: Extract<Message, { kind: 'power' }>, world: World): Promise<void> {
  const { ports } = world;
  const environment = await ports.records.environmentOfHost(message.instanceId);
  const host = environment && (await ports.environments.read(environment))?.state.host;
  if (!environment || !host || host.instanceId !== message.instanceId) return;
  if (host.power !== 'on' && message.power === host.power) return;
  const cause = { delivery: message.delivery, cause: `machine ${message.power}`, machine: true };
  return reconcile({ key: environment }, cause, world);
}

/** A renamed or transferred repository is told to every row of it; what became of it is asked of GitHub. */
async function lookAtRepository(job: RepositoryJob, cause: Cause, world: World): Promise<void> {
  const { ports } = world;
  const { owner, name } = job.repository;
  const source = { installationId: job.installationId, owner, name, delivery: job.delivery };
  const keys = await ports.environments.ofRepository(job.repository.id);
  for (const key of keys) await ports.environments.wake(key, source, ports.now());
  const deleted = job.action === 'deleted';
  return wakeEach(keys, { ...cause, gone: deleted, deleted }, world);
}

/** Each in an invocation of its own: a repository may have more pull requests than one run has time for. */
export async function wakeEach(keys: readonly string[], cause: Cause, world: World): Promise<void> {
  await world.ports.jobs.sendAll(
    keys.map((environment) => ({
      v: 1,
      kind: 'wake',
      delivery: cause.delivery,
      environment,
      cause: cause.cause,
      ...(cause.gone ? { gone: true } : {}),
      ...(cause.deleted ? { deleted: true } : {}),
    })),
  );
}
