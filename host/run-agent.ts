import { readFile } from 'node:fs/promises';
import {
  type HostFailure,
  MAILBOX_VERSION,
  type MailboxSpec,
  type Progress,
  type Result,
} from '../lambdas/providers/ec2/mailbox.ts';
import type { AgentState } from './agent-disk.ts';
import { type DeployDeps, type DeployEnd, deploy, finalizeFailure } from './deploy.ts';
import { groupWarnings } from './group-warnings.ts';
import { keepFiles } from './keep-previous.ts';
import { largerMachine } from './larger-machine.ts';
import { createLastUseWatch } from './last-use-watch.ts';
import type { Mailbox } from './mailbox.ts';
import { failureOf } from './run-stage.ts';
import { startContainers } from './start-containers.ts';
import type { Tunnel } from './tunnel.ts';
import { waitUntilUp } from './wait-until-up.ts';

/**
 * The agent's life: read the mailbox; deploy a generation that has not been run; otherwise start what is on the disk.
 * First boot, wake, push, and a push while asleep are this one path.
 *
 * - Two loops. `watch` reads the mailbox: every second for the first minute, every 2 s while something is being
 *   deployed, at once when notified, and once a minute otherwise (a notification can be lost). `work` deploys, one
 *   generation at a time.
 * - A newer generation aborts the one being deployed; the same generation with a higher revision is handed
 *   to it (a fresh archive address).
 * - A deployment spec that is older than one already taken is ignored as a whole: its tunnel's token may belong to a
 *   tunnel that is gone, and the agent that it names is not fetched.
 * - A generation is run once. If the agent was interrupted in it (a crash, a reboot), it is begun again, at
 *   most 3 times in all, so that a compose file that takes the machine down does not do so for ever.
 * - A machine that was switched on with an older agent than its deployment spec names ends as the new one, before it
 *   does anything else; a running one keeps its agent until it is switched on again.
 * - After a start with nothing new to do, the result is reported again: the control plane learns that a
 *   woken environment is up.
 */
export interface AgentDeps extends DeployDeps {
  mailbox: Mailbox;
  tunnel: Tunnel;
  version: {
    /** The hash of the agent that runs. */
    sha256: string | undefined;
    /** Ends this process so that the other agent starts; returns where that is not possible. */
    become(sha256: string): Promise<void>;
  };
  /** Switches the machine off. */
  powerOff(reason: string): Promise<void>;
}

export interface Agent {
  notify(): void;
  /** Resolves when the agent has stopped its work; used at its own end and by tests. */
  stop(): Promise<void>;
}

const BOOT_MS = 60_000;
const EVERY_BOOT_MS = 1_000;
const EVERY_DEPLOYING_MS = 2_000;
const EVERY_IDLE_MS = 60_000;
/** A woken machine that has had no answer from the mailbox for this long starts what it has. */
const PATIENCE_MS = 30_000;
const LOG_EVERY_MS = 2_000;
/** A shorter wait is not reported. */
const FIRST_WORD_MS = 30_000;
const NEXT_WORD_MS = 60_000;
const MAX_ATTEMPTS = 3;
/** If the bucket cannot be written for longer, the agent goes on trying but no longer waits for it. */
const STORED_WITHIN_MS = 15_000;

type Job = { kind: 'deploy'; spec: MailboxSpec } | { kind: 'revive' };

export async function runAgent(deps: AgentDeps): Promise<Agent> {
  const { mailbox, log, now } = deps;
  const startedAt = now();
  let state = await deps.disk.loadState();
  let stopped = false;
  let pending: Job | undefined;
  let current:
    | { generation: number; revision: number; abort: AbortController; renew?: (spec: MailboxSpec) => void }
    | undefined;
  let hasRead = false;
  let reportedSinceBoot = false;
  const signal = createSignal();
  const workSignal = createSignal();
  const use = createLastUseWatch(deps);

  const save = async (next: AgentState) => {
    state = next;
    await deps.disk.saveState(next);
  };

  async function readMailbox(): Promise<void> {
    const found = await mailbox.read();
    const first = !hasRead;
    hasRead = true;
    if (found.kind === 'unreadable')
      log.event('the order in the mailbox cannot be used', { problem: found.problem });
    if (found.kind === 'spec') await take(found.spec, first);
    else if (first && state.installed) submit({ kind: 'revive' });
  }

  async function take(spec: MailboxSpec, first: boolean): Promise<void> {
    log.hide([
      spec.tunnelToken,
      ...Object.values(spec.secrets),
      ...(spec.source.kind === 'git' ? [spec.source.token] : []),
    ]);
    if (spec.source.kind === 'archive') log.hide([...new URL(spec.source.url).searchParams.values()]);
    const newest = Math.max(
      state.generation,
      current?.generation ?? 0,
      pending?.kind === 'deploy' ? pending.spec.generation : 0,
    );
    if (spec.generation < newest) {
      log.event('an older deployment spec is left alone', { generation: spec.generation, newest });
      if (first && state.installed) submit({ kind: 'revive' });
      return;
    }
    use.heard(spec.idleStopSeconds);
    if (first || (spec.generation > state.generation && !reportedSinceBoot)) await becomeWanted(spec);
    await deps.tunnel.use(spec.tunnelToken);
    if (spec.generation > newest || (spec.generation === state.generation && !state.finished && !current)) {
      log.event('spec taken', {
        generation: spec.generation,
        revision: spec.revision,
        delivery: spec.delivery,
      });
      submit({ kind: 'deploy', spec });
      current?.abort.abort();
    } else if (current?.generation === spec.generation && spec.revision > current.revision) {
      current.revision = spec.revision;
      current.renew?.(spec);
    } else if (first && state.installed) {
      submit({ kind: 'revive' });
    }
  }

  async function becomeWanted({ agentSha256 }: MailboxSpec): Promise<void> {
    const { sha256, become } = deps.version;
    if (!sha256 || !agentSha256 || agentSha256 === sha256) return;
    log.event('becoming another agent', { from: sha256, to: agentSha256 });
    await become(agentSha256);
  }

  function submit(job: Job): void {
    pending = job;
    workSignal.notify();
  }

  async function watch(): Promise<void> {
    while (!stopped) {
      await readMailbox().catch((error: unknown) => {
        log.event('the mailbox could not be read', { problem: String(error) });
        if (!hasRead && now() - startedAt > PATIENCE_MS && state.installed) {
          hasRead = true;
          submit({ kind: 'revive' });
        }
      });
      await Promise.race([signal.next(), deps.sleep(interval())]);
    }
  }

  function interval(): number {
    if (current) return EVERY_DEPLOYING_MS;
    return now() - startedAt < BOOT_MS ? EVERY_BOOT_MS : EVERY_IDLE_MS;
  }

  async function work(): Promise<void> {
    while (!stopped) {
      const job = pending;
      pending = undefined;
      if (!job) await workSignal.next();
      else if (job.kind === 'deploy') await runSpec(job.spec);
      else await revive();
    }
  }

  async function runSpec(spec: MailboxSpec): Promise<void> {
    const abort = new AbortController();
    current = { generation: spec.generation, revision: spec.revision, abort };
    log.begin(spec.delivery);
    // A newer deployment spec may have arrived between submitting this one and beginning it.
    if (pending?.kind === 'deploy') abort.abort();
    signal.notify();
    const repeated = state.generation === spec.generation;
    await save({
      ...state,
      generation: spec.generation,
      attempts: repeated ? state.attempts + 1 : 1,
      finished: false,
    });
    // The first report after a boot says that this machine is alive; without it, a long build on a woken machine
    // looks like a dead one.
    const known = reportedSinceBoot ? (state.installed?.services ?? []) : [];
    reportedSinceBoot = true;
    const revision = () => current?.revision ?? spec.revision;
    const reporter = createReporter(revision, known, spec, deps);
    const renewed = () =>
      new Promise<MailboxSpec>((resolve, reject) => {
        if (current) current.renew = resolve;
        abort.signal.addEventListener('abort', () => reject(new Error('superseded')), { once: true });
      });
    const end =
      state.attempts > MAX_ATTEMPTS
        ? await endInterrupted(state, deps, abort.signal)
        : await deploy(spec, state, deps, {
            signal: abort.signal,
            report: reporter.report,
            waiting: reporter.waiting,
            renewed,
          });
    await finish(spec.generation, spec.source.sha, end, reporter);
    if (end.outcome === 'ready') await keepFiles(deps.disk, spec.generation).catch(unkept);
    use.heard(spec.idleStopSeconds);
  }

  async function finish(
    generation: number,
    sha: string,
    end: DeployEnd,
    reporter: { close(): void },
  ): Promise<void> {
    reporter.close();
    const seconds = Object.entries(end.timings).map(([stage, ms]) => `${stage} ${(ms / 1_000).toFixed(1)} s`);
    log.line(`${end.outcome} (${seconds.join(', ')})${end.failure ? `: ${end.failure.sentence}` : ''}`);
    const { installed, serving, previous } = end.state;
    // The version that a rollback starts has its own services.
    const services = end.outcome === 'failed' && serving && installed ? installed.services : end.services;
    const result: Result = {
      v: MAILBOX_VERSION,
      generation,
      sha,
      at: now(),
      outcome: end.outcome,
      services: publicOnly(services),
      warnings: groupWarnings(end.warnings).map(log.redact),
      timings: end.timings,
      ...(end.failure ? { failure: redacted(end.failure, log.redact) } : {}),
      ...(serving ? { serving } : {}),
      ...(end.lost ? { lost: end.lost } : {}),
    };
    await save({ ...end.state, finished: false });
    const stored = mailbox.writeResult(result);
    mailbox.writeLog(log.tail().text);
    // A generation is finished only when its result is stored: an agent that ends before that begins the generation
    // again.
    await Promise.race([stored, deps.sleep(STORED_WITHIN_MS)]);
    await save({ ...state, finished: true });
    current = undefined;
    const kept = [installed?.generation, generation, previous?.installed.generation];
    await deps.disk.forgetGenerationsExcept(kept.filter((known) => known !== undefined));
    await deps.compose.dropKeptExcept(previous?.images.map((image) => image.kept) ?? []);
  }

  const unkept = (error: unknown) =>
    log.event('the files of this generation could not be kept', { problem: String(error) });

  async function revive(): Promise<void> {
    const { installed } = state;
    if (!installed) return;
    const abort = new AbortController();
    current = { generation: state.generation, revision: Number.MAX_SAFE_INTEGER, abort };
    log.begin(`boot of generation ${installed.generation}`);
    log.line(`starting generation ${installed.generation} from the disk`);
    const began = now();
    const timings: DeployEnd['timings'] = {};
    const { serving: _unknown, previous, ...rest } = state;
    const base = { services: installed.services, timings };
    const failed = async (failure: HostFailure, warnings: string[]): Promise<DeployEnd> => {
      const before = { ...rest, ...(previous ? { previous } : {}) };
      return { ...base, warnings, ...(await finalizeFailure(failure, before, deps, abort.signal)) };
    };
    const start = async (): Promise<DeployEnd> => {
      await startContainers(installed, deps);
      timings.starting = Math.round(now() - began);
      const up = await waitUntilUp(installed, deps, abort.signal);
      timings.checking = Math.round(now() - began) - timings.starting;
      switch (up.kind) {
        case 'stopped':
          return { ...base, outcome: 'superseded', warnings: [], state };
        case 'failed':
          return failed(up.failure, up.warnings);
        case 'up': {
          const { services, warnings } = up;
          const serving = { generation: installed.generation, sha: installed.sha };
          return { ...base, services, warnings, outcome: 'ready', state: { ...rest, serving } };
        }
      }
    };
    const end = await start().catch((error: unknown) => failed(failureOf(error, log.redact), []));
    await finish(installed.generation, installed.sha, end, { close: () => undefined });
  }

  await deps.tunnel.use(await readFile(deps.disk.tunnelToken, 'utf8').catch(() => '')).catch(() => undefined);
  const loops = Promise.all([watch(), work(), use.run(() => current !== undefined)]);
  return {
    notify() {
      log.event('notified');
      use.heard(undefined);
      signal.notify();
    },
    async stop() {
      stopped = true;
      current?.abort.abort();
      signal.notify();
      workSignal.notify();
      use.stop();
      await Promise.all([loops, deps.tunnel.stop()]);
      await mailbox.settled();
    },
  };
}

/** `next()` resolves at the next notification; a notification that arrives while nobody waits is kept. */
function createSignal() {
  let notified = false;
  let wake: (() => void) | undefined;
  return {
    notify() {
      notified = true;
      wake?.();
    },
    next(): Promise<void> {
      return new Promise((resolve) => {
        const done = () => {
          notified = false;
          wake = undefined;
          resolve();
        };
        if (notified) done();
        else wake = done;
      });
    },
  };
}

/**
 * Each report wakes the control plane and costs about six calls, so it is sent only where the control plane must act:
 * when the public services become known or differ from those that run, and when the deployment cannot continue
 * without help. Besides, people are told what takes long: from `FIRST_WORD_MS` on, at most every `NEXT_WORD_MS`, and
 * only news. A problem that waiting does not solve is reported at once, and once. The end of the log wakes nobody; it
 * is stored every 2 s while something is added to it.
 */
function createReporter(
  revision: () => number,
  known: Progress['services'],
  spec: MailboxSpec,
  { mailbox, log, now, sleep }: AgentDeps,
) {
  let reported = JSON.stringify(publicOnly(known));
  let logVersion = -1;
  let closed = false;
  let last: { progress: Report; since: number } | undefined;
  let word: string | undefined;
  let wordTold = '';
  let nextWordAt = now() + FIRST_WORD_MS;
  let toldSoon = false;
  const timer = setInterval(() => {
    const tail = log.tail();
    if (tail.version === logVersion) return;
    logVersion = tail.version;
    mailbox.writeLog(tail.text);
  }, LOG_EVERY_MS);
  timer.unref();

  const write = (progress: Report & Pick<Progress, 'waiting'>) =>
    mailbox.writeProgress({
      v: MAILBOX_VERSION,
      generation: spec.generation,
      revision: revision(),
      at: now(),
      ...progress,
      services: publicOnly(progress.services),
      warnings: groupWarnings(progress.warnings).map(log.redact),
    });
  const tell = (soon: boolean) => {
    if (closed || !last || (now() < nextWordAt && (!soon || toldSoon))) return;
    const { progress, since } = last;
    const text = word ?? `since ${new Date(since).toISOString().slice(11, 16)} UTC`;
    if (`${progress.stage} ${text}` === wordTold) return;
    wordTold = `${progress.stage} ${text}`;
    nextWordAt = now() + NEXT_WORD_MS;
    toldSoon ||= soon;
    write({ ...progress, waiting: log.redact(text) });
  };
  const watch = async () => {
    while (!closed) {
      await sleep(LOG_EVERY_MS);
      tell(false);
    }
  };
  void watch();
  return {
    report(progress: Report) {
      last = { progress, since: now() };
      word = undefined;
      const services = publicOnly(progress.services);
      const differs = services.length > 0 && JSON.stringify(services) !== reported;
      if (!differs && !progress.needs) return;
      if (differs) reported = JSON.stringify(services);
      write(progress);
    },
    waiting(sentence: string, soon: boolean) {
      word = sentence;
      if (soon) tell(true);
    },
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

type Report = Pick<Progress, 'stage' | 'services' | 'warnings' | 'timings' | 'needs'>;

/** The report contains less about a service than the proxy needs. */
function publicOnly(services: Progress['services']): Progress['services'] {
  return services.map(({ name, port, hostname, path, primary, ownHost }) => ({
    name,
    port,
    hostname,
    path,
    primary,
    ...(ownHost ? { ownHost } : {}),
  }));
}

function redacted(
  failure: NonNullable<Result['failure']>,
  redact: (text: string) => string,
): NonNullable<Result['failure']> {
  return {
    ...failure,
    sentence: redact(failure.sentence),
    log: failure.log.map(redact),
  };
}

async function endInterrupted(state: AgentState, deps: AgentDeps, signal: AbortSignal): Promise<DeployEnd> {
  const sentence = `The machine went down ${MAX_ATTEMPTS} times while this commit was being deployed, most likely out of memory. ${largerMachine}`;
  const failure = { code: 'interrupted', sentence, log: [] };
  const settled = await finalizeFailure(failure, state, deps, signal);
  return { services: [], warnings: [], timings: {}, ...settled };
}
