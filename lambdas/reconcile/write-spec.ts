import { type EnvironmentState, isLastSent } from '#core/environment';
import { permanent } from '#core/failure';
import { omit } from '#core/lifecycle';
import type { DeploySpec } from '../providers/compute.ts';
import { type Run, refOf, type StepResult, saveIntent, urlTemplateOf } from './run.ts';

/**
 * Sends the host its next deployment spec. A new commit is a new generation; a host that asked for
 * something gets the same generation again with the next revision.
 */
export async function writeSpec(run: Run): Promise<StepResult> {
  const { ports } = run.deps;
  const { order: before, pull: asked } = run.row.state;
  const again = before?.needs !== undefined && before.sha === asked?.sha && isLastSent(run.row.state);
  // The number is used up before the spec is written: after a crash, the next spec must be new to the host.
  if (!again) {
    await saveIntent(run, { ...run.row.state, generation: run.row.state.generation + 1 });
  }
  const { state } = run.row;
  const { host, pull } = state;
  if (!host || !pull) {
    throw permanent('order_incomplete', 'There is no machine to send a deployment spec to; push again.');
  }
  const spec = await composeSpec(run, state, again ? before.revision + 1 : 1);
  const handle = await ports.compute.deploy(host.handle, spec);
  run.row = { ...run.row, state: { ...state, host: { ...host, handle } } };
  const now = ports.now();
  await ports.records.beginBuild({
    environment: run.key,
    generation: spec.generation,
    sha: pull.sha,
    delivery: spec.delivery,
    startedAt: now,
  });
  const sent = {
    generation: spec.generation,
    revision: spec.revision,
    sha: pull.sha,
    source: spec.source.kind,
    mailedAt: again ? before.mailedAt : now,
    rung: !host.heard,
  };
  const next = {
    ...omit(run.row.state, 'timings', 'onDisk'),
    order: sent,
    unfinishedSince: state.unfinishedSince ?? now,
  };
  // This is saved at once: if the run dies later, the host must not begin its build again.
  await saveIntent(run, next);
  return {
    state: run.row.state,
    outcome: `generation ${spec.generation}.${spec.revision} ${pull.sha.slice(0, 7)} ${spec.source.kind}`,
  };
}

async function composeSpec(run: Run, state: EnvironmentState, revision: number): Promise<DeploySpec> {
  const { ports } = run.deps;
  const { pull, settings, order, hostname, ingress } = state;
  if (!pull || !settings || !hostname || !ingress) {
    throw permanent('order_incomplete', 'The environment has no name, settings or address yet; push again.');
  }
  // A repository that needed git once (submodules, LFS) needs it again, so the host need not ask.
  const wantsGit = order?.needs === 'git' || order?.source === 'git';
  const [source, attachment, secrets] = await Promise.all([
    run.forge.source(refOf(run.row), pull.sha, wantsGit ? 'git' : 'archive'),
    ports.ingress.attachment(ingress),
    // Anybody may be the author of a fork, and its code can read everything on the machine.
    pull.fork ? {} : ports.secrets.of(run.row.repositoryId, run.row.forge),
  ]);
  return {
    generation: state.generation,
    revision,
    delivery: run.cause.delivery,
    environment: run.key,
    repository: { owner: pull.owner, name: pull.repository },
    ...(run.row.number === undefined ? {} : { number: run.row.number }),
    branch: pull.branch,
    source,
    config: settings.config,
    hostname,
    urlTemplate: urlTemplateOf(ports.ingress),
    attachment,
    secrets,
    trusted: !pull.fork,
  };
}
