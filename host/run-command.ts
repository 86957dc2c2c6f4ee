import { spawn } from 'node:child_process';

/**
 * Runs a program and keeps the end of its output.
 *
 * Gotcha: `docker compose` is two processes (the CLI and its plugin), `git` is many. Each run is its own
 * process group, and the group is killed; a plugin left behind would go on building.
 */
export interface CommandResult {
  /** Exit code; 127 when the program could not be started, 128 + n when a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
  ended: 'exited' | 'aborted' | 'timed-out';
}

export interface CommandOptions {
  cwd?: string;
  /** Added to the agent's own environment. */
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Each complete line of either stream, as it comes. */
  onLine?: (line: string) => void;
}

export type RunCommand = (
  command: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>;

/** A compose configuration of 50 services has 200 KB; the log of a build may be endless. */
const KEEP_STDOUT = 16 * 1024 * 1024;
const KEEP_STDERR = 512 * 1024;
/** SIGTERM lets compose cancel its builds and pulls in the engine; after this time comes SIGKILL. */
const KILL_AFTER_MS = 2_000;

export const runCommand: RunCommand = (command, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout = keepEnd(KEEP_STDOUT, options.onLine);
    const stderr = keepEnd(KEEP_STDERR, options.onLine);
    let ended: CommandResult['ended'] = 'exited';
    let killTimer: NodeJS.Timeout | undefined;
    const kill = (why: 'aborted' | 'timed-out') => {
      if (ended !== 'exited') return;
      ended = why;
      killGroup(child.pid, 'SIGTERM');
      killTimer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS);
    };
    const onAbort = () => kill('aborted');
    const timeout = options.timeoutMs ? setTimeout(() => kill('timed-out'), options.timeoutMs) : undefined;
    options.signal?.addEventListener('abort', onAbort);
    if (options.signal?.aborted) onAbort();

    const finish = (code: number) => {
      clearTimeout(timeout);
      clearTimeout(killTimer);
      options.signal?.removeEventListener('abort', onAbort);
      stdout.flush();
      stderr.flush();
      resolve({ code, stdout: stdout.text(), stderr: stderr.text(), ended });
    };
    child.stdout.on('data', stdout.push);
    child.stderr.on('data', stderr.push);
    child.on('error', (error) => {
      stderr.push(Buffer.from(`${command}: ${error.message}\n`));
      finish(127);
    });
    child.on('close', (code, signal) => finish(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The process had already ended, which is the wanted state.
  }
}

/**
 * The output that people may read, without the secrets: stderr and the lines. stdout is for programs: paths, JSON.
 * JSON.
 */
export function strikeOut(run: RunCommand, redact: (text: string) => string): RunCommand {
  return async (command, args, options = {}) => {
    const { onLine } = options;
    const struck = onLine ? { ...options, onLine: (line: string) => onLine(redact(line)) } : options;
    const result = await run(command, args, struck);
    return { ...result, stderr: redact(result.stderr) };
  };
}

/** Keeps whole lines: the rest of a cut line could be the rest of a secret, which would not be found. */
function keepEnd(limit: number, onLine: ((line: string) => void) | undefined) {
  const decoder = new TextDecoder();
  let kept = '';
  let partial = '';
  const push = (chunk: Buffer) => {
    const text = decoder.decode(chunk, { stream: true });
    kept += text;
    if (kept.length > limit) kept = fromNextLine(kept.slice(-limit));
    if (!onLine) return;
    const lines = (partial + text).split(/\r?\n|\r/);
    partial = (lines.pop() ?? '').slice(0, limit);
    for (const line of lines) if (line !== '') onLine(line);
  };
  const flush = () => {
    if (onLine && partial !== '') onLine(partial);
    partial = '';
  };
  return { push, flush, text: () => kept };
}

function fromNextLine(text: string): string {
  const end = text.search(/[\r\n]/);
  return end < 0 ? '' : text.slice(end + 1);
}
