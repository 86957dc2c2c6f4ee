import { spawn } from 'node:child_process';

/** The machine's own git configuration must not have an effect, and git must not ask on a terminal. */
export const gitEnvironment: Record<string, string> = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_COUNT: '1',
  // The data folder may belong to another user than the one that runs this process.
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
};

export interface GitResult {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface GitInput {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
}

export function runGit(directory: string, args: readonly string[], input: GitInput = {}): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['--git-dir', directory, ...args], {
      env: { ...gitEnvironment, ...input.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({
        code: code ?? 1,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString('utf8'),
      });
    });
    // git may end before it has read everything; its exit code says what happened.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input.stdin ?? '');
  });
}

/** @throws Error with git's own words. */
export async function git(directory: string, args: readonly string[], input: GitInput = {}): Promise<string> {
  const result = await runGit(directory, args, input);
  if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout.toString('utf8').trim();
}
