import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import type { Environment } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';

export interface ProgramRun {
  /** The name for the error message: `cdk deploy`. */
  name: string;
  /**
   * A script that Node runs, relative to the checkout, or a program of the machine with the message for when it is
   * missing.
   */
  program: { script: string } | { executable: string; missing: OperatorError };
  args: readonly string[];
  environment: Environment;
  onLine?(line: string): void;
  /** Exit codes that are a result and no failure. */
  accepted?: readonly number[];
}

export interface ProgramResult {
  code: number;
  /** The lines of both outputs, in the order in which they came. */
  lines: readonly string[];
}

const root = `${import.meta.dirname}/../..`;
const KEPT_LINES = 12;

/**
 * Runs a vendor's program to its end. It is in a process group of its own, so that Ctrl-C in the terminal ends our
 * work between two steps and does not stop the program in the middle of one.
 *
 * @throws OperatorError with its last lines when it fails
 */
export async function runProgram(run: ProgramRun): Promise<ProgramResult> {
  const lines: string[] = [];
  const { program } = run;
  const [file, first] =
    'script' in program ? [process.execPath, [`${root}/${program.script}`]] : [program.executable, []];
  const child = spawn(file, [...first, ...run.args], {
    cwd: root,
    env: { ...run.environment, FORCE_COLOR: '0', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const outputs = [child.stdout, child.stderr].map((stream) => {
    const reader = createInterface({ input: stream });
    reader.on('line', (coloured) => {
      const line = stripVTControlCharacters(coloured);
      lines.push(line);
      if (line.trim()) run.onLine?.(line.trim());
    });
    return new Promise<void>((resolve) => reader.once('close', resolve));
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject('missing' in program && error.code === 'ENOENT' ? program.missing : error),
    );
    child.once('exit', (status) => resolve(status ?? 1));
  });
  await Promise.all(outputs);
  if (code === 0 || run.accepted?.includes(code)) return { code, lines };
  const last = lines.filter((line) => line.trim()).slice(-KEPT_LINES);
  throw new OperatorError(`${run.name} failed:\n${last.map((line) => `    ${line}`).join('\n')}`);
}
