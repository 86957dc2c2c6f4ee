import { readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { cutText } from '#core/cut-text';
import type { DeployStage, HostFailure, Order, Progress } from '#core/mailbox';
import type { AgentDisk, AgentState, Installed } from './agent-disk.ts';
import { DeployFailure, failWith } from './deploy-failure.ts';
import { explainCommand } from './explain-failure.ts';
import { type FetchedSource, fetchSource, type SourceDeps } from './fetch-source.ts';
import { installCheckout } from './install-checkout.ts';
import { refuseHostNetwork, unguardedWarning } from './judge-reach.ts';
import type { FailedCommand } from './known-errors.ts';
import { leavingMounts } from './leaving-mounts.ts';
import { type Log, tooShort } from './log.ts';
import { machineReach } from './machine-reach.ts';
import {
  type PlannedDeployment,
  type PlanningHost,
  planDeployment,
  proxyConfigFile,
} from './plan-deployment.ts';
import type { PlannedService } from './plan-services.ts';
import type { CommandResult } from './run-command.ts';
import { type WaitDeps, waitUntilUp } from './wait-until-up.ts';

/**
 * One generation: fetching -> planning -> pulling -> building -> starting -> checking.
 *
 * Gotchas
 * - Superseded (`signal` aborted): fetching, pulling, building and checking end at once. `up` is let finish:
 *   it may have a migration half way through a database.
 * - Until `starting`, nothing of what runs now is touched, not even files that are mounted into it, so that
 *   a failed update leaves it serving as it was.
 * - From `starting` on the previous generation is gone, container by container. What serves after a failure
 *   is found out by looking, not by reasoning.
 */
export interface DeployDeps extends WaitDeps, SourceDeps, PlanningHost {
  disk: AgentDisk;
  log: Log;
}

export interface DeployControl {
  /** Aborted when a newer generation is there. */
  signal: AbortSignal;
  report(progress: Pick<Progress, 'stage' | 'services' | 'warnings' | 'timings' | 'needs'>): void;
  /** Resolves with the next revision of this generation. */
  renewed(): Promise<Order>;
}

export interface DeployEnd {
  outcome: 'ready' | 'failed' | 'superseded';
  failure?: HostFailure;
  services: PlannedService[];
  warnings: string[];
  timings: Progress['timings'];
  state: AgentState;
}

const PULL_TIMEOUT_MS = 20 * 60_000;
const BUILD_TIMEOUT_MS = 45 * 60_000;
/** `up` waits for the health of dependencies, which have their own retries and start periods. */
const UP_TIMEOUT_MS = 20 * 60_000;
const PULL_TRIES = 3;
const DISK_GUARD = 0.8;

export async function deploy(
  firstOrder: Order,
  before: AgentState,
  deps: DeployDeps,
  control: DeployControl,
): Promise<DeployEnd> {
  const { disk, log } = deps;
  let state = before;
  let order = firstOrder;
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
    warnings.push(...source.warnings, ...shortSecrets(order));
    if (!deps.roleIsGuarded) warnings.push(unguardedWarning);
    enter('planning');
    const plan = await planDeployment(order, source.manifest, disk, deps.compose, deps);
    services = plan.installed.services;
    warnings.push(...plan.warnings);
    for (const warning of warnings) log.line(`warning: ${warning}`);
    control.signal.throwIfAborted();
    enter('pulling');
    await guardDisk(deps);
    await pull(plan, deps, control.signal);
    enter('building');
    await command('building', deps, control.signal, BUILD_TIMEOUT_MS, (options) =>
      deps.compose.build(plan.call, options),
    );
    enter('starting');
    const previous = await primaryContainer(deps, before);
    state = { ...state, installed: plan.installed };
    await disk.saveState(state);
    await installCheckout(disk, source.manifest);
    await startContainers(plan.installed, deps).catch(async (error: unknown) => {
      state = await lookWhatServes(state, before, previous, deps);
      throw error;
    });
    state = { ...state, serving: { generation: order.generation, sha: order.source.sha } };
    if (control.signal.aborted) return end('superseded');
    enter('checking');
    const outcome = await waitUntilUp(plan.installed, deps, control.signal);
    if (outcome.kind === 'stopped') return end('superseded');
    warnings.push(...outcome.warnings);
    if (outcome.kind === 'up') return end('ready');
    state = await lookWhatServes(state, before, previous, deps);
    return end('failed', outcome.failure);
  } catch (error) {
    if (control.signal.aborted) return end('superseded');
    return end('failed', failureOf(error, log.redact));
  }

  async function fetchUntilComplete(): Promise<Extract<FetchedSource, { ok: true }>> {
    for (let asked = 0; ; asked++) {
      const manifest = await disk.loadManifest('source');
      // Empty: the first time, or an interrupted one, whose leavings are in nobody's manifest.
      if (Object.keys(manifest).length === 0) await rm(disk.source, { recursive: true, force: true });
      await disk.saveManifest('source', {});
      const source = await fetchSource(order.source, disk, manifest, deps, control.signal);
      await disk.saveManifest('source', source.ok ? source.manifest : manifest);
      if (source.ok) return source;
      if (asked >= 3) failWith('source', `Eph cannot get the source: ${source.reason}.`);
      log.line(source.reason);
      enter('fetching', source.needs);
      order = await control.renewed();
      control.signal.throwIfAborted();
    }
  }
}

async function pull(plan: PlannedDeployment, deps: DeployDeps, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await command('pulling', deps, signal, PULL_TIMEOUT_MS, (options) =>
        deps.compose.pull(plan.call, options),
      );
      return;
    } catch (error) {
      const passing =
        error instanceof DeployFailure &&
        ['registry-unreachable', 'pulling-failed'].includes(error.failure.code);
      if (!passing || attempt >= PULL_TRIES || signal.aborted) throw error;
      deps.log.line(`pull failed, trying again (${attempt + 1} of ${PULL_TRIES})`);
      await deps.sleep(2_000 * attempt);
    }
  }
}

/** Also what a reboot does with the generation on the disk. */
export async function startContainers(installed: Installed, deps: DeployDeps): Promise<void> {
  const config = await readFile(proxyConfigFile(deps.disk, installed.generation), 'utf8');
  await deps.disk.write(join(deps.disk.proxy.config, 'caddy.json'), config);
  await checkBeforeUp(installed, deps);
  const never = new AbortController().signal;
  await command('starting', deps, never, UP_TIMEOUT_MS, (options) =>
    deps.compose.up(installed.call, options),
  );
  // A proxy that was running already has not read its new file; it may also take a moment to open its socket.
  for (let attempt = 1; ; attempt++) {
    try {
      return await deps.proxy.load(config);
    } catch (error) {
      if (attempt >= 20) throw error;
      await deps.sleep(250);
    }
  }
}

/**
 * What may have changed since it was planned: links that a container made (what it changes in this moment is not
 * seen), and a machine whose packet rule could not be set at this boot.
 */
async function checkBeforeUp(
  { call }: Installed,
  { disk, roleIsGuarded }: Pick<DeployDeps, 'disk' | 'roleIsGuarded'>,
): Promise<void> {
  const [file] = call.files;
  // An agent from before that file left the repository's own names.
  if (!file?.endsWith('.json')) return;
  const project: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!roleIsGuarded) refuseHostNetwork(machineReach(project, disk.app));
  const [leaving] = leavingMounts(project, disk.app);
  if (leaving === undefined) return;
  failWith(
    'mount-leaves',
    `\`${leaving.slice(0, 200)}\` is mounted, but on the preview's machine it is a link to outside of the repository, which a container must have put there. Mount a named volume instead of it, or have the container that makes the link take it away.`,
  );
}

type RunStage = (options: {
  signal: AbortSignal;
  timeoutMs: number;
  onLine: (line: string) => void;
}) => Promise<CommandResult>;

async function command(
  stage: FailedCommand['stage'],
  deps: DeployDeps,
  signal: AbortSignal,
  timeoutMs: number,
  run: RunStage,
): Promise<void> {
  const result = await run({ signal, timeoutMs, onLine: (line) => deps.log.line(line) });
  signal.throwIfAborted();
  if (result.ended === 'exited' && result.code === 0) return;
  const timedOut = result.ended === 'timed-out' ? { timedOutAfterMs: timeoutMs } : {};
  const failure = explainCommand({
    stage,
    output: `${result.stdout}\n${result.stderr}`,
    root: stage === 'starting' ? deps.disk.app : deps.disk.source,
    ...timedOut,
  });
  throw new DeployFailure(await withContainerLog(failure, stage, deps));
}

/** `up` only says that a dependency failed; why is in that container's own log. */
async function withContainerLog(
  failure: HostFailure,
  stage: FailedCommand['stage'],
  deps: DeployDeps,
): Promise<HostFailure> {
  if (stage !== 'starting' || !failure.service) return failure;
  const containers = await deps.compose.containers().catch(() => []);
  const container = containers.find((found) => found.service === failure.service);
  if (!container) return failure;
  const log = await deps.compose.logs(container.id, 30);
  const output =
    container.health === 'unhealthy' && container.healthOutput
      ? [`health check: ${cutText(container.healthOutput, 500)}`]
      : [];
  return { ...failure, log: [...log, ...output] };
}

async function guardDisk({ disk, compose, log }: DeployDeps): Promise<void> {
  const { blocks, bavail } = await statfs(disk.root);
  const used = 1 - bavail / blocks;
  if (used < DISK_GUARD) return;
  log.line(`the disk is ${Math.round(used * 100)} % full: removing images and build cache that nothing uses`);
  await compose.prune();
}

async function primaryContainer(deps: DeployDeps, state: AgentState): Promise<string | undefined> {
  const name = state.installed?.services.find((service) => service.primary)?.name;
  if (!name) return undefined;
  const containers = await deps.compose.containers().catch(() => []);
  return containers.find((container) => container.service === name && container.state === 'running')?.id;
}

/**
 * After a failure past the point of no return: if the old container is still there and answers through its
 * own proxy configuration, it is what serves, and what a reboot starts.
 */
async function lookWhatServes(
  state: AgentState,
  before: AgentState,
  previous: string | undefined,
  deps: DeployDeps,
): Promise<AgentState> {
  const { serving: _, ...rest } = state;
  const stillThere = previous !== undefined && (await primaryContainer(deps, before)) === previous;
  if (!stillThere || !before.serving || !before.installed) return rest;
  const config = await readFile(proxyConfigFile(deps.disk, before.installed.generation), 'utf8');
  await deps.disk.write(join(deps.disk.proxy.config, 'caddy.json'), config);
  await deps.proxy.load(config).catch(() => undefined);
  const answer = await deps.proxy.probe(before.installed.hostname, before.installed.healthCheck.path);
  if (answer.kind !== 'answered' || answer.byProxy) return rest;
  return { ...rest, installed: before.installed, serving: before.serving };
}

function failureOf(error: unknown, redact: Log['redact']): HostFailure {
  if (error instanceof DeployFailure) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'agent',
    sentence: `Something went wrong on the preview's machine: ${cutText(redact(message), 500)}. A push or a redeploy tries again.`,
    log: [],
  };
}

function shortSecrets({ secrets }: Order): string[] {
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
