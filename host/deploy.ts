import { rm, statfs } from 'node:fs/promises';
import { cutText } from '#core/cut-text';
import type { DeployStage } from '#core/report';
import type { HostFailure, MailboxSpec, Progress } from '../lambdas/providers/ec2/mailbox.ts';
import type { AgentState } from './agent-disk.ts';
import { failWith } from './deploy-failure.ts';
import { type FetchedSource, fetchSource, type SourceDeps } from './fetch-source.ts';
import { installCheckout } from './install-checkout.ts';
import { unguardedWarning } from './judge-reach.ts';
import { keepPrevious } from './keep-previous.ts';
import { tooShort } from './log.ts';
import { obtainImages } from './obtain-images.ts';
import { type PlanningHost, planDeployment } from './plan-deployment.ts';
import type { PlannedService } from './plan-services.ts';
import { failureOf, type StageDeps } from './run-stage.ts';
import { startContainers } from './start-containers.ts';
import { repushedImages, unappliedChanges } from './unapplied-changes.ts';
import { type SayWaiting, type WaitDeps, waitUntilUp } from './wait-until-up.ts';
import { whatServes } from './what-serves.ts';

/**
 * One generation: fetching -> planning -> pulling -> building -> starting -> checking.
 *
 * Gotchas
 * - Superseded (`signal` aborted): fetching, pulling, building and checking end at once. `up` is allowed to finish,
 *   because it may be in the middle of a database migration.
 * - Until `starting`, nothing of what runs now is touched, not even files that are mounted into it. A failed update
 *   therefore leaves the previous version serving as it was.
 * - From `starting` on, the generation before is replaced, container by container. It is kept (`keep-previous.ts`)
 *   until the new one is up, and started again if that does not happen (`what-serves.ts`). The state records this
 *   before `up` touches anything: an agent that is killed in between begins the generation again, and one of the two
 *   versions serves at the end.
 */
export interface DeployDeps extends WaitDeps, SourceDeps, StageDeps, PlanningHost {}

export interface DeployControl {
  /** Aborted when a newer generation has arrived. */
  signal: AbortSignal;
  report(progress: Pick<Progress, 'stage' | 'services' | 'warnings' | 'timings' | 'needs'>): void;
  /** What the stage waits for; people are told if the wait goes on. */
  waiting: SayWaiting;
  /** Resolves with the next revision of this generation. */
  renewed(): Promise<MailboxSpec>;
}

export interface DeployEnd {
  outcome: 'ready' | 'failed' | 'superseded';
  failure?: HostFailure;
  services: PlannedService[];
  warnings: string[];
  timings: Progress['timings'];
  state: AgentState;
  /** The commit that served before, if it could not be started again. */
  lost?: string;
}

const DISK_GUARD = 0.8;

export async function deploy(
  firstSpec: MailboxSpec,
  before: AgentState,
  deps: DeployDeps,
  control: DeployControl,
): Promise<DeployEnd> {
  const { disk, log } = deps;
  let state = before;
  let spec = firstSpec;
  let services: PlannedService[] = [];
  const warnings: string[] = [];
  const timings: Progress['timings'] = {};
  const stopwatch = createStopwatch(deps.now, timings);
  const enter = (stage: DeployStage, needs?: Progress['needs']) => {
    if (!needs) stopwatch.enter(stage);
    log.line(
      needs
        ? `[${stage}] waiting for ${needs === 'git' ? 'a checkout with git' : 'a fresh address of the archive'}`
        : `[${stage}]`,
    );
    control.report({ stage, services, warnings, timings: stopwatch.read(), ...(needs ? { needs } : {}) });
  };
  const end = (outcome: DeployEnd['outcome'], failure?: HostFailure): DeployEnd => {
    stopwatch.stop();
    return { outcome, services, warnings, timings, state, ...(failure ? { failure } : {}) };
  };

  try {
    enter('fetching');
    const source = await fetchUntilComplete();
    warnings.push(...source.warnings, ...shortSecrets(spec));
    if (!deps.roleIsGuarded) warnings.push(unguardedWarning);
    enter('planning');
    let plan = await planDeployment(spec, source.manifest, disk, deps.compose, deps);
    await disk.saveManifest('source', plan.manifest);
    warnings.push(...plan.warnings);
    services = plan.installed.services;
    for (const warning of warnings) log.line(`warning: ${warning}`);
    control.signal.throwIfAborted();
    enter('pulling');
    await guardDisk(deps, state);
    plan = await obtainImages('pulling', plan, deps, control.signal);
    // The registry is asked during the build, which takes longer. On the first deployment every pulled image is new,
    // so it is not asked.
    const repushed = before.installed
      ? repushedImages(plan.images, deps.compose).catch(() => [])
      : Promise.resolve([]);
    enter('building');
    plan = await obtainImages('building', plan, deps, control.signal);
    services = plan.installed.services;
    warnings.push(...plan.leftOut);
    enter('starting');
    const previous = await keepPrevious(state, deps.compose);
    const networks = await deps.compose.networks();
    const { serving: _unknown, previous: _taken, ...rest } = state;
    state = { ...rest, installed: plan.installed, ...(previous ? { previous } : {}) };
    await disk.saveState(state);
    await installCheckout(disk, plan.manifest);
    await startContainers(plan.installed, deps);
    const same = Object.entries(await deps.compose.networks()).filter(([name, id]) => networks[name] === id);
    const unapplied = unappliedChanges(
      before.installed?.definitions ?? {},
      plan.installed.definitions ?? {},
      same.map(([name]) => name),
    );
    state = { ...state, installed: { ...plan.installed, definitions: unapplied.made } };
    warnings.push(...unapplied.warnings, ...(await repushed));
    if (control.signal.aborted) return end('superseded');
    enter('checking');
    const outcome = await waitUntilUp(plan.installed, deps, control.signal, control.waiting);
    if (outcome.kind === 'stopped') return end('superseded');
    warnings.push(...outcome.warnings);
    for (const warning of outcome.warnings) log.line(`warning: ${warning}`);
    if (outcome.kind === 'failed') return await endFailed(outcome.failure);
    services = outcome.services;
    const { previous: _served, ...up } = state;
    state = { ...up, serving: { generation: spec.generation, sha: spec.source.sha } };
    return end('ready');
  } catch (error) {
    if (control.signal.aborted) return end('superseded');
    return await endFailed(failureOf(error, log.redact));
  }

  async function endFailed(failure: HostFailure): Promise<DeployEnd> {
    stopwatch.stop();
    control.waiting('it did not come up; looking after the version before', false);
    const settled = await finalizeFailure(failure, state, deps, control.signal);
    state = settled.state;
    return { ...end(settled.outcome), ...settled };
  }

  async function fetchUntilComplete(): Promise<Extract<FetchedSource, { ok: true }>> {
    for (let asked = 0; ; asked++) {
      const manifest = await disk.loadManifest('source');
      // The folder is empty the first time; after an interrupted run it holds files that are in no manifest.
      if (Object.keys(manifest).length === 0) await rm(disk.source, { recursive: true, force: true });
      await disk.saveManifest('source', {});
      const source = await fetchSource(spec.source, disk, manifest, deps, control.signal);
      await disk.saveManifest('source', source.ok ? source.manifest : manifest);
      if (source.ok) return source;
      if (asked >= 3) failWith('source', `Eph cannot get the source: ${source.reason}.`);
      log.line(source.reason);
      enter('fetching', source.needs);
      spec = await control.renewed();
      control.signal.throwIfAborted();
    }
  }
}

/** The end of a failed deployment: the previous version serves again, and people are told both. */
export async function finalizeFailure(
  failure: HostFailure,
  state: AgentState,
  deps: DeployDeps,
  signal: AbortSignal,
): Promise<Pick<DeployEnd, 'outcome' | 'failure' | 'state' | 'lost'>> {
  const serves = await whatServes(state, deps, signal).catch((error: unknown) => {
    deps.log.line(`what serves could not be found out: ${failureOf(error, deps.log.redact).sentence}`);
    const { serving: _unknown, ...rest } = state;
    return { kind: 'nothing' as const, state: rest };
  });
  switch (serves.kind) {
    case 'stopped':
      return { outcome: 'superseded', state: serves.state };
    case 'serves':
    case 'nothing':
      return { outcome: 'failed', failure, state: serves.state };
    case 'lost': {
      const also = ` \`${serves.sha.slice(0, 7)}\`, which served before, could not be started again: ${serves.why}`;
      const sentence = `${cutText(failure.sentence, 1_000)}${also}`;
      return { outcome: 'failed', failure: { ...failure, sentence }, state: serves.state, lost: serves.sha };
    }
  }
}

async function guardDisk({ disk, compose, log }: DeployDeps, { previous }: AgentState): Promise<void> {
  const { blocks, bavail } = await statfs(disk.root);
  const used = 1 - bavail / blocks;
  if (used < DISK_GUARD) return;
  log.line(`the disk is ${Math.round(used * 100)} % full: removing images and build cache that nothing uses`);
  // No container runs the images that a rollback would need.
  await compose.prune({ keepNamed: previous !== undefined });
}

function shortSecrets({ secrets }: MailboxSpec): string[] {
  const names = tooShort(secrets);
  if (names.length === 0) return [];
  const shown = names.slice(0, 10).map((name) => `\`${name}\``);
  return [
    `Too short to be struck out of logs, where they can be read when something prints them: ${shown.join(', ')}. A secret of 6 characters or more is.`,
  ];
}

function createStopwatch(now: () => number, timings: Progress['timings']) {
  let current: { stage: DeployStage; since: number } | undefined;
  const settle = () => {
    if (!current) return;
    timings[current.stage] = Math.max(0, Math.round(now() - current.since));
  };
  return {
    enter(stage: DeployStage) {
      settle();
      current = { stage, since: now() };
    },
    read: () => ({ ...timings }),
    stop() {
      settle();
      current = undefined;
    },
  };
}
