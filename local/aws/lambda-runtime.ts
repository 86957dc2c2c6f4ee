/**
 * Runs a template's functions as Lambda does: the bundled asset in a process of its own, with the function's
 * environment and its role's credentials and nothing else of this process.
 *
 * Life of a sandbox: started for an invocation that finds none idle (a cold start) -> one event at a time -> idle,
 * reused by the next -> killed after IDLE_MS, at a time-out, after a crash, or by `close`. `replace` and `renew` end
 * the idle ones at once, and the busy ones after their present event.
 *
 * Gotchas
 * - A time-out kills the process in the middle of its work, as Lambda does: no `finally` runs.
 * - Invocations beyond the limit of sandboxes wait; AWS would throttle them, and the event source would try
 *   again.
 * - Lambda freezes a sandbox between events; this one keeps running, so a promise that was left pending continues.
 * - A function that calls itself without permission in its template is refused after 16 times (`trace-header.ts`).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Invocation, SandboxMessage } from './lambda-bootstrap.ts';
import type { FunctionDescription } from './template-functions.ts';
import { enterFunction, isRunaway } from './trace-header.ts';

export type InvocationResult = { durationMs: number; cold: boolean } & (
  | { ok: true; value: unknown }
  | { ok: false; errorType: string; errorMessage: string }
);

export interface LambdaLine {
  source: string;
  line: string;
}

export interface LambdaRuntime {
  /**
   * Invokes with the trace header that came with the event, if any.
   * @throws Error for a function the template does not have
   */
  invoke(nameOrLogicalId: string, event: unknown, traceHeader?: string): Promise<InvocationResult>;
  /** Changes code, environment and rights from the next event on. */
  replace(functions: readonly FunctionDescription[]): void;
  /** Starts new sandboxes from the next event on, as after any change of a function's configuration. */
  renew(nameOrLogicalId: string): void;
  /** The number of events that are being handled now. */
  running(): number;
  close(): Promise<void>;
}

export interface LambdaRuntimeOptions {
  functions: readonly FunctionDescription[];
  region: string;
  /** Values that override the template's own. */
  environmentOverrides: Record<string, string>;
  /** `AWS_ACCESS_KEY_ID` and the others, for a new session of the function's role. */
  credentials(description: FunctionDescription): Record<string, string>;
  log(line: LambdaLine): void;
  /** The limit for each function; 10 by default. */
  maxSandboxes?: number;
}

interface Sandbox {
  process: ChildProcess;
  pool: Pool;
  idleTimer: NodeJS.Timeout | undefined;
}

interface Pool {
  idle: Sandbox[];
  size: number;
  waiting: (() => void)[];
}

const IDLE_MS = 5 * 60 * 1000;
/** The limit for loading the bundle, which is Lambda's own. */
const INIT_MS = 10_000;
/** The refusal in the words of Lambda's API. */
const runaway: InvocationResult = {
  ok: false,
  errorType: 'RecursiveInvocationException',
  errorMessage:
    'Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function’s invocation.',
  durationMs: 0,
  cold: false,
};
const bootstrap = join(import.meta.dirname, 'lambda-bootstrap.ts');

export function createLambdaRuntime(options: LambdaRuntimeOptions): LambdaRuntime {
  const pools = new Map<string, Pool>();
  const alive = new Set<ChildProcess>();
  let { functions } = options;
  let running = 0;
  let closed = false;

  function poolOf(name: string): Pool {
    const pool = pools.get(name) ?? { idle: [], size: 0, waiting: [] };
    pools.set(name, pool);
    return pool;
  }

  function describe(nameOrLogicalId: string): FunctionDescription {
    const found = functions.find(({ name, logicalId, arn }) =>
      [name, logicalId, arn].includes(nameOrLogicalId),
    );
    if (!found) throw new Error(`the template has no function ${nameOrLogicalId}`);
    return found;
  }

  async function acquire(description: FunctionDescription): Promise<{ sandbox: Sandbox; cold: boolean }> {
    let pool = poolOf(description.name);
    const limit = description.reservedConcurrency ?? options.maxSandboxes ?? 10;
    while (pool.idle.length === 0 && pool.size >= limit) {
      const full = pool;
      await new Promise<void>((resolve) => full.waiting.push(resolve));
      pool = poolOf(description.name);
    }
    const idle = pool.idle.pop();
    if (idle) {
      clearTimeout(idle.idleTimer);
      return { sandbox: idle, cold: false };
    }
    pool.size += 1;
    return { sandbox: start(description, pool), cold: true };
  }

  function start(description: FunctionDescription, pool: Pool): Sandbox {
    const { file, exported } = handlerOf(description);
    const child = fork(bootstrap, [file, exported], {
      execArgv: [`--max-old-space-size=${description.memoryMb}`, '--disable-warning=ExperimentalWarning'],
      env: environmentOf(description, options),
      cwd: description.assetFolder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    alive.add(child);
    const sandbox: Sandbox = { process: child, pool, idleTimer: undefined };
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) =>
        options.log({ source: description.logicalId, line }),
      );
    }
    child.once('exit', () => {
      alive.delete(child);
      clearTimeout(sandbox.idleTimer);
      pool.idle = pool.idle.filter((one) => one !== sandbox);
      pool.size -= 1;
      pool.waiting.shift()?.();
    });
    return sandbox;
  }

  function release(description: FunctionDescription, sandbox: Sandbox): void {
    if (sandbox.process.exitCode !== null || sandbox.process.killed) return;
    const { pool } = sandbox;
    if (pools.get(description.name) !== pool) {
      sandbox.process.kill('SIGKILL');
      return;
    }
    sandbox.idleTimer = setTimeout(() => sandbox.process.kill('SIGKILL'), IDLE_MS).unref();
    pool.idle.push(sandbox);
    pool.waiting.shift()?.();
  }

  /** The function's sandboxes get no further event; waiting events go to a new pool. */
  function retire(name: string): void {
    const pool = pools.get(name);
    pools.delete(name);
    for (const { process } of pool?.idle.splice(0) ?? []) process.kill('SIGKILL');
    for (const wake of pool?.waiting.splice(0) ?? []) wake();
  }

  return {
    running: () => running,
    replace(next) {
      functions = next;
      for (const name of [...pools.keys()]) retire(name);
    },
    renew: (nameOrLogicalId) => retire(describe(nameOrLogicalId).name),
    async invoke(nameOrLogicalId, event, traceHeader) {
      const description = describe(nameOrLogicalId);
      if (closed) throw new Error(`${description.name} was invoked after the platform was closed`);
      const { arn, recursiveLoop } = description;
      if (recursiveLoop === 'Terminate' && isRunaway(arn, traceHeader)) return runaway;
      const { sandbox, cold } = await acquire(description);
      running += 1;
      const started = performance.now();
      try {
        const outcome = await runEvent(sandbox.process, description, event, cold, traceHeader);
        return { ...outcome, durationMs: Math.round(performance.now() - started), cold };
      } finally {
        running -= 1;
        release(description, sandbox);
      }
    },
    async close() {
      closed = true;
      const exits = [...alive].map((child) => new Promise((resolve) => child.once('exit', resolve)));
      for (const child of alive) child.kill('SIGKILL');
      await Promise.all(exits);
    },
  };
}

type Outcome = { ok: true; value: unknown } | { ok: false; errorType: string; errorMessage: string };

function runEvent(
  child: ChildProcess,
  description: FunctionDescription,
  event: unknown,
  cold: boolean,
  traceHeader: string | undefined,
): Promise<Outcome> {
  const requestId = randomUUID();
  const timeoutMs = description.timeoutSeconds * 1000;
  return new Promise((resolve) => {
    let timer = setTimeout(timedOut, cold ? Math.max(INIT_MS, timeoutMs) : timeoutMs);
    const end = (outcome: Outcome) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(outcome);
    };
    const invoke = () => {
      const invocation: Invocation = {
        requestId,
        event,
        deadline: Date.now() + timeoutMs,
        functionArn: description.arn,
        traceHeader: enterFunction(description.arn, traceHeader, Date.now()),
      };
      // If a sandbox ended between its message and this answer, its exit event reports that.
      child.send(invocation, () => undefined);
    };
    function timedOut(): void {
      child.kill('SIGKILL');
      const errorMessage = `${requestId} Task timed out after ${description.timeoutSeconds.toFixed(2)} seconds`;
      end({ ok: false, errorType: 'Sandbox.Timedout', errorMessage });
    }
    function onMessage(message: unknown): void {
      const from = message as SandboxMessage;
      if (from.kind === 'ready') {
        // The time for loading the bundle does not count against the function's time, as in Lambda.
        clearTimeout(timer);
        timer = setTimeout(timedOut, timeoutMs);
        invoke();
      } else if (from.kind === 'done') end({ ok: true, value: from.value });
      else end({ ok: false, errorType: from.errorType, errorMessage: from.errorMessage });
    }
    function onExit(code: number | null, signal: string | null): void {
      const how = signal ? `signal ${signal}` : `exit status ${code}`;
      end({
        ok: false,
        errorType: 'Runtime.ExitError',
        errorMessage: `RequestId: ${requestId} Error: Runtime exited with ${how}`,
      });
    }
    child.on('message', onMessage);
    child.once('exit', onExit);
    if (!cold) invoke();
  });
}

function handlerOf({ handler, assetFolder, logicalId }: FunctionDescription): {
  file: string;
  exported: string;
} {
  const [base = '', exported = ''] = handler.split('.');
  const file = ['mjs', 'js', 'cjs']
    .map((extension) => join(assetFolder, `${base}.${extension}`))
    .find(existsSync);
  if (!file)
    throw new Error(`${logicalId}: no bundle at ${join(assetFolder, base)}.mjs; run "npx cdk synth" first`);
  return { file, exported };
}

function environmentOf(
  description: FunctionDescription,
  options: LambdaRuntimeOptions,
): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    TZ: 'UTC',
    LANG: 'en_US.UTF-8',
    AWS_REGION: options.region,
    AWS_DEFAULT_REGION: options.region,
    AWS_LAMBDA_FUNCTION_NAME: description.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(description.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${description.name}`,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    ...description.environment,
    ...options.environmentOverrides,
    ...options.credentials(description),
  };
}
