import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import type { Answer, Line } from './environment-process.ts';

/** A process that runs, and answers before anything else happens, so that the clock of the tests is the only one. */
export interface Speaker {
  say(line: Line): Answer;
  kill(): void;
}

const NEWLINE = 10;
let program: string | undefined;

/**
 * Starts the program over a file of its own.
 *
 * Gotchas
 * - Pipes of `spawn` can only be waited for, and then time would pass in the tests: named pipes can be read and written
 *   synchronously. Each is first opened for both, which never blocks, and that end is closed once both other ends are
 *   open; so a write to a dead process fails, and a process whose tests are gone ends by itself.
 * - Node strips types anew at each start, which takes longer than the rest of the start: here it is done once.
 */
export function speakToProcess(folder: string, id: string, disk: string): Speaker {
  const [toIt, fromIt] = [join(folder, `${id}.in`), join(folder, `${id}.out`)];
  execFileSync('mkfifo', [toIt, fromIt]);
  const input = openPipe(toIt);
  const output = openPipe(fromIt);
  program ??= stripTypeScriptTypes(readFileSync(join(import.meta.dirname, 'environment-process.ts'), 'utf8'));
  const script = join(folder, 'program.mjs');
  writeFileSync(script, program);
  const child = spawn(process.execPath, [script, disk], {
    stdio: [input.read, output.write, 'inherit'],
    env: {},
  });
  child.unref();
  for (const end of [input.read, output.write]) closeSync(end);
  let open = true;
  const close = (): void => {
    if (open) for (const end of [input.write, output.read]) closeSync(end);
    open = false;
  };
  return {
    say(line) {
      writeSync(input.write, `${JSON.stringify(line)}\n`);
      const answer = JSON.parse(readLine(output.read)) as Answer;
      if (line.do === 'sleep') close();
      return answer;
    },
    kill() {
      child.kill('SIGKILL');
      close();
    },
  };
}

function openPipe(path: string): { read: number; write: number } {
  const both = openSync(path, 'r+');
  const ends = { read: openSync(path, 'r'), write: openSync(path, 'w') };
  closeSync(both);
  return ends;
}

function readLine(from: number): string {
  const chunks: Buffer[] = [];
  while (chunks.at(-1)?.at(-1) !== NEWLINE) {
    const chunk = Buffer.alloc(65_536);
    const count = readSync(from, chunk);
    if (count === 0) throw new Error('the process has died');
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks).toString();
}
