import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';
import type { Installed } from './agent-disk.ts';
import { checkPage, type Page } from './check-page.ts';
import type { Compose, Container } from './compose.ts';
import { explainContainer } from './explain-failure.ts';
import {
  type AnswerVerdict,
  explainSilence,
  listensOnLoopback,
  loopbackAdvice,
  tlsAdvice,
} from './judge-answer.ts';
import { type FailedWhy, judgeContainer } from './judge-containers.ts';
import type { ListeningSocket } from './listening-sockets.ts';
import { markOwnHosts } from './needs-own-host.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/**
 * After `up`: waits until every container is up by `judge-containers.ts`, then until the primary answers
 * through the proxy. A failed service that the primary does not need becomes a warning, and so does a further
 * public service that does not answer: the preview can be opened, and people are told what is missing.
 *
 * A problem that waiting does not solve (the service listens on loopback only, speaks TLS, refuses the preview's
 * hostname) is reported when it has held for `SAY_AFTER_MS`, and ends the waiting after `FINAL_AFTER_MS`: not at once,
 * because some images first serve on loopback while they prepare their data.
 */
export interface WaitDeps {
  compose: Compose;
  proxy: ProxyAdmin;
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Sockets listening in the network namespace of a process. */
  listening(pid: number): Promise<ListeningSocket[]>;
  /** Whether a server at this address of a container completes a TLS handshake. */
  speaksTls(address: string, port: number): Promise<boolean>;
}

export type WaitOutcome =
  /** `services` includes what was learned from their pages. */
  | { kind: 'up'; services: Installed['services']; warnings: string[] }
  | { kind: 'failed'; failure: HostFailure; warnings: string[] }
  | { kind: 'stopped' };

/** What is waited for, in a sentence without its end; `soon`: waiting alone does not help. */
export type SayWaiting = (sentence: string, soon: boolean) => void;

/**
 * How long services that the primary does not need (an API that it calls, a tool) may take to come up once it
 * answers.
 */
const FURTHER_UP_MS = 60_000;
/** How long a further service may then take to answer. */
const FURTHER_MS = 15_000;
const SAY_AFTER_MS = 10_000;
const FINAL_AFTER_MS = 60_000;
/** More lines are read than shown, because repeated ones are folded (`fold-repeats.ts`). */
const LOG_LINES_READ = 200;

export async function waitUntilUp(
  installed: Installed,
  deps: WaitDeps,
  signal: AbortSignal,
  say: SayWaiting = () => undefined,
): Promise<WaitOutcome> {
  const { healthCheck } = installed;
  const began = deps.now();
  const deadline = began + healthCheck.timeout * 1_000;
  const until = `waiting until ${new Date(deadline).toISOString().slice(11, 16)} UTC`;
  const pause = Math.min(healthCheck.interval * 1_000, 1_000);
  const unhealthySince = new Map<string, number>();
  const warnings = new Map<string, string>();
  const heldFor = createHeldFor(deps.now);
  let finding: Finding = { verdict: { ok: false, answered: false, why: 'does not answer' }, listening: [] };
  let answersSince: number | undefined;
  for (;;) {
    if (signal.aborted) return { kind: 'stopped' };
    const containers = (await deps.compose.containers()).filter((found) => found.service !== 'eph-proxy');
    const waiting: string[] = [];
    const further = new Map<string, string>();
    for (const container of containers) {
      noteHealth(unhealthySince, container, deps.now());
      const isPublic = installed.services.some((service) => service.name === container.service);
      const verdict = judgeContainer(container, {
        now: deps.now(),
        unhealthySince: unhealthySince.get(container.id),
        isPublic,
      });
      const essential = installed.essential.includes(container.service);
      if (verdict.kind === 'waiting') {
        const sentence = `\`${container.service}\` ${verdict.why}`;
        if (essential) waiting.push(sentence);
        else further.set(container.service, sentence);
      }
      if (verdict.kind !== 'failed') continue;
      const failure = await explain(deps, container, verdict.why);
      if (essential) return failed(failure, warnings);
      warnings.set(container.service, `${failure.sentence} \`/\` does not need it.`);
    }
    const missing = primaryOf(installed)?.name;
    if (missing && !containers.some((container) => container.service === missing)) {
      waiting.push(`\`${missing}\` has no container`);
    }
    let heldMs = 0;
    if (waiting.length === 0) {
      const primary = await lookAtPrimary(installed, deps, containers, signal);
      if (signal.aborted) return { kind: 'stopped' };
      if (primary.verdict.ok) {
        answersSince ??= deps.now();
        if (further.size > 0 && deps.now() < Math.min(deadline, answersSince + FURTHER_UP_MS)) {
          heldFor(undefined);
          say(`\`/\` answers; ${[...further.values()].slice(0, 5).join(', ')}`, false);
          await deps.sleep(pause);
          continue;
        }
        for (const [service, sentence] of further)
          warnings.set(service, `${sentence}; \`/\` does not need it.`);
        noteWarning(warnings, primaryOf(installed)?.name, installed.healthCheck.path, primary.verdict);
        await checkFurther(installed, deps, warnings, signal);
        const services = await markOwnHosts(installed.services, new Set(warnings.keys()), deps.proxy, signal);
        return { kind: 'up', services, warnings: [...warnings.values()] };
      }
      finding = { verdict: primary.verdict, listening: primary.listening };
      heldMs = heldFor(primary.verdict.code ?? (primary.loopback && 'listens-on-loopback'));
      const advice = primary.loopback ? ` ${loopbackAdvice(primary.loopback)}` : '';
      const what = `\`${primaryOf(installed)?.name}\` ${primary.verdict.why} at \`${healthCheck.path}\``;
      say(advice ? `${what}.${advice}` : `${what}, ${until}`, heldMs >= SAY_AFTER_MS);
    } else {
      heldFor(undefined);
      say(`${waiting.slice(0, 5).join(', ')}, ${until}`, false);
    }
    if (deps.now() >= deadline || heldMs >= FINAL_AFTER_MS) {
      const seconds = Math.round((deps.now() - began) / 1_000);
      const failure =
        waiting.length > 0
          ? stillWaiting(waiting, healthCheck.timeout)
          : await explainPrimary(installed, deps, containers, finding, seconds);
      return failed(failure, warnings);
    }
    await deps.sleep(pause);
  }
}

interface Finding {
  verdict: Extract<AnswerVerdict, { ok: false }>;
  listening: ListeningSocket[];
}

/** Measures for how long the same thing has been found without a break. */
function createHeldFor(now: () => number): (found: string | undefined) => number {
  let known: { what: string; since: number } | undefined;
  return (found) => {
    if (found === undefined) known = undefined;
    else if (known?.what !== found) known = { what: found, since: now() };
    return known ? now() - known.since : 0;
  };
}

function noteHealth(since: Map<string, number>, container: Container, now: number): void {
  if (container.health !== 'unhealthy') since.delete(container.id);
  else if (!since.has(container.id)) since.set(container.id, now);
}

async function explain(deps: WaitDeps, container: Container, why: FailedWhy): Promise<HostFailure> {
  return explainContainer(container, why, await deps.compose.logs(container.id, LOG_LINES_READ));
}

function primaryOf({ services }: Installed): Installed['services'][number] | undefined {
  return services.find((service) => service.primary);
}

function pageOf(installed: Installed, hostname: string): Omit<Page, 'path'> {
  const url = installed.url ?? `https://${installed.hostname}`;
  return { hostname, url: url.replace(installed.hostname, hostname) };
}

async function lookAtPrimary(
  installed: Installed,
  deps: WaitDeps,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<{ verdict: AnswerVerdict; listening: ListeningSocket[]; loopback?: ListeningSocket | undefined }> {
  const { path, status } = installed.healthCheck;
  const page = { ...pageOf(installed, installed.hostname), path, status };
  const verdict = await checkPage(page, deps.proxy, signal);
  const primary = primaryOf(installed);
  const container = containers.find((found) => found.service === primary?.name);
  if (verdict.ok || verdict.code || !primary || !container) return { verdict, listening: [] };
  const listening = await deps.listening(container.pid).catch(() => []);
  const loopback = listensOnLoopback(primary.port, listening);
  const opened = listening.some((socket) => socket.port === primary.port);
  const [address] = container.addresses;
  if (!verdict.answered && opened && !loopback && address && (await deps.speaksTls(address, primary.port)))
    return { verdict: { ...verdict, code: 'speaks-tls', why: tlsAdvice }, listening };
  return { verdict, listening, loopback };
}

/**
 * Any answer of the service is enough here: `/` of an API is often a 404. A page that nobody can open is a warning,
 * as it is for `/` of the primary where `health_check` reads another page.
 */
async function checkFurther(
  installed: Installed,
  deps: WaitDeps,
  warnings: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = deps.now() + FURTHER_MS;
  let silent = installed.services.filter(
    (service) => !warnings.has(service.name) && (!service.primary || installed.healthCheck.path !== '/'),
  );
  for (;;) {
    const verdicts = await Promise.all(
      silent.map((service) =>
        checkPage({ ...pageOf(installed, service.hostname), path: '/' }, deps.proxy, signal),
      ),
    );
    if (signal.aborted) return;
    const known = verdicts.map((verdict) => verdict.ok || verdict.answered);
    for (const [index, service] of silent.entries()) {
      const verdict = verdicts[index];
      if (verdict && !verdict.ok && verdict.code) noteWarning(warnings, service.name, '/', verdict);
    }
    silent = silent.filter((_, index) => !known[index]);
    if (silent.length === 0 || deps.now() >= deadline) break;
    await deps.sleep(1_000);
  }
  for (const service of silent)
    warnings.set(service.name, `\`${service.name}\` does not answer on port ${service.port}.`);
}

function noteWarning(
  warnings: Map<string, string>,
  service: string | undefined,
  path: string,
  verdict: AnswerVerdict,
): void {
  if (service === undefined) return;
  const what = verdict.ok ? verdict.warning : `${verdict.why}.`;
  if (what) warnings.set(service, `\`${service}\` at \`${path}\`: ${what}`);
}

function stillWaiting(waiting: readonly string[], seconds: number): HostFailure {
  const sentence = `After ${seconds} s the containers are not all up: ${waiting.slice(0, 5).join(', ')}. A longer time can be set with \`health_check.timeout\` in eph.yaml.`;
  return { code: 'start-timeout', sentence, log: [] };
}

async function explainPrimary(
  installed: Installed,
  deps: WaitDeps,
  containers: readonly Container[],
  { verdict, listening }: Finding,
  seconds: number,
): Promise<HostFailure> {
  const service = primaryOf(installed);
  const container = containers.find((found) => found.service === service?.name);
  if (!service || !container) {
    return { code: 'no-container', sentence: 'The container of the service to be opened is gone.', log: [] };
  }
  const log = await deps.compose.logs(container.id, LOG_LINES_READ);
  return explainSilence({ service, path: installed.healthCheck.path, verdict, seconds, listening, log });
}

function failed(failure: HostFailure, warnings: Map<string, string>): WaitOutcome {
  return { kind: 'failed', failure, warnings: [...warnings.values()] };
}
