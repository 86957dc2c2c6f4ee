import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** More than Run Command keeps (24,000 characters); further output of a command is dropped. */
const MOST_OUTPUT = 1 << 20;

/** Runs a shell script in the namespaces of the machine whose pid 1 is `pid`, as its SSM agent would. */
export function runOnMachine(
  pid: number,
  script: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<CommandResult> {
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc'];
  return runScript(
    ['nsenter', '--target', String(pid), ...namespaces, '--wd=/', 'sh', '-c', script],
    env,
    signal,
  );
}

/**
 * Runs a command with exactly this environment. On abort the whole process group is killed and the promise
 * rejects with the signal's reason. A command that is killed with its machine has code 128 + 9.
 */
async function runScript(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const child = spawn(program, args, {
    detached: true,
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The process ended at the same moment.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length < MOST_OUTPUT) output[name] += text;
    });
  }
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? 137));
    });
    signal.throwIfAborted();
    return { code, ...output };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
