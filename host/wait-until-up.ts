import type { HostFailure } from '#core/mailbox';
import type { Installed } from './agent-disk.ts';
import type { Compose, Container } from './compose.ts';
import { explainContainer } from './explain-failure.ts';
import { explainSilence, judgeAnswer } from './judge-answer.ts';
import { type FailedWhy, judgeContainer } from './judge-containers.ts';
import type { ListeningSocket } from './listening-sockets.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/**
 * After `up`: waits until every container is up by `judge-containers.ts`, then until the primary answers
 * through the proxy. A failed service that nothing public needs becomes a warning, and so does a further
 * public service that does not answer: the preview can be opened, and people are told what is missing.
 */
export interface WaitDeps {
  compose: Compose;
  proxy: ProxyAdmin;
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Sockets listening in the network namespace of a process. */
  listening(pid: number): Promise<ListeningSocket[]>;
}

export type WaitOutcome =
  | { kind: 'up'; warnings: string[] }
  | { kind: 'failed'; failure: HostFailure; warnings: string[] }
  | { kind: 'stopped' };

/** How long a further service may take to answer once the primary does. */
const FURTHER_MS = 15_000;
const LOG_LINES = 30;

export async function waitUntilUp(
  installed: Installed,
  deps: WaitDeps,
  signal: AbortSignal,
): Promise<WaitOutcome> {
  const { healthCheck } = installed;
  const deadline = deps.now() + healthCheck.timeout * 1_000;
  const pause = Math.min(healthCheck.interval * 1_000, 1_000);
  const unhealthySince = new Map<string, number>();
  const warnings = new Map<string, string>();
  let why = 'does not answer';
  for (;;) {
    if (signal.aborted) return { kind: 'stopped' };
    const containers = (await deps.compose.containers()).filter((found) => found.service !== 'eph-proxy');
    const waiting: string[] = [];
    for (const container of containers) {
      noteHealth(unhealthySince, container, deps.now());
      const isPublic = installed.services.some((service) => service.name === container.service);
      const verdict = judgeContainer(container, {
        now: deps.now(),
        unhealthySince: unhealthySince.get(container.id),
        isPublic,
      });
      if (verdict.kind === 'waiting') waiting.push(`\`${container.service}\` ${verdict.why}`);
      if (verdict.kind !== 'failed') continue;
      const failure = await explain(deps, container, verdict.why);
      if (installed.essential.includes(container.service)) return failed(failure, warnings);
      warnings.set(container.service, `${failure.sentence} Nothing public depends on it.`);
    }
    if (waiting.length === 0) {
      const primary = await checkPrimary(installed, deps);
      if (primary.ok) {
        await checkFurther(installed, deps, warnings, signal);
        return { kind: 'up', warnings: [...warnings.values()] };
      }
      why = primary.why;
    }
    if (deps.now() >= deadline) {
      const failure =
        waiting.length > 0
          ? stillWaiting(waiting, healthCheck.timeout)
          : await explainPrimary(installed, deps, containers, why);
      return failed(failure, warnings);
    }
    await deps.sleep(pause);
  }
}

function noteHealth(since: Map<string, number>, container: Container, now: number): void {
  if (container.health !== 'unhealthy') since.delete(container.id);
  else if (!since.has(container.id)) since.set(container.id, now);
}

async function explain(deps: WaitDeps, container: Container, why: FailedWhy): Promise<HostFailure> {
  return explainContainer(container, why, await deps.compose.logs(container.id, LOG_LINES));
}

async function checkPrimary(
  installed: Installed,
  { proxy }: WaitDeps,
): Promise<{ ok: true } | { ok: false; why: string }> {
  const verdict = judgeAnswer(
    await proxy.probe(installed.hostname, installed.healthCheck.path),
    installed.healthCheck,
  );
  return verdict.ok ? { ok: true } : { ok: false, why: verdict.why };
}

/** Any answer of the service will do here: `/` of an API is often a 404. */
async function checkFurther(
  installed: Installed,
  deps: WaitDeps,
  warnings: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = deps.now() + FURTHER_MS;
  let silent = installed.services.filter((service) => !service.primary && !warnings.has(service.name));
  for (;;) {
    const answers = await Promise.all(silent.map((service) => deps.proxy.probe(service.hostname, '/')));
    silent = silent.filter((_, index) => {
      const answer = answers[index];
      return answer?.kind !== 'answered' || answer.byProxy;
    });
    if (silent.length === 0 || signal.aborted || deps.now() >= deadline) break;
    await deps.sleep(1_000);
  }
  for (const service of silent)
    warnings.set(service.name, `\`${service.name}\` does not answer on port ${service.port}.`);
}

function stillWaiting(waiting: readonly string[], seconds: number): HostFailure {
  const sentence = `After ${seconds} s the containers are not all up: ${waiting.slice(0, 5).join(', ')}. A longer time can be set with \`health_check.timeout\` in eph.yaml.`;
  return { code: 'start-timeout', sentence, log: [] };
}

async function explainPrimary(
  installed: Installed,
  deps: WaitDeps,
  containers: readonly Container[],
  why: string,
): Promise<HostFailure> {
  const primary = installed.services.find((service) => service.primary);
  const container = containers.find((found) => found.service === primary?.name);
  if (!primary || !container) {
    return { code: 'no-container', sentence: 'The container of the service to be opened is gone.', log: [] };
  }
  const listening = await deps.listening(container.pid).catch(() => []);
  const log = await deps.compose.logs(container.id, LOG_LINES);
  return explainSilence(
    primary,
    installed.healthCheck.path,
    why,
    installed.healthCheck.timeout,
    listening,
    log,
  );
}

function failed(failure: HostFailure, warnings: Map<string, string>): WaitOutcome {
  return { kind: 'failed', failure, warnings: [...warnings.values()] };
}
