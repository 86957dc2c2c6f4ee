import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

const module = join(import.meta.dirname, '../../local/on-stop-signal.ts');
let child: ChildProcess;
afterEach(() => void child.kill('SIGKILL'));

/** A process that needs `stopMillis` to clean up, once it listens; a library in it has a listener of its own. */
async function program(stopMillis: number): Promise<{ output: () => string; ended: Promise<number | null> }> {
  const script = `
    import { onStopSignal } from ${JSON.stringify(module)};
    const wait = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
    onStopSignal(async () => { console.log('stopping'); await wait(${stopMillis}); console.log('cleaned'); });
    process.on('SIGINT', () => process.exit(7));
    await wait(0);
    console.log('listening');
    setInterval(() => {}, 1000);`;
  child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      output += text.toString();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await expect.poll(() => output, { timeout: 10_000 }).toContain('listening');
  return { output: () => output, ended };
}

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('cleans up after %s, then ends with the code of the signal', async (signal, code) => {
  const { output, ended } = await program(50);
  child.kill(signal);
  expect(await ended).toBe(code);
  expect(output()).toBe('listening\nstopping\ncleaned\n');
});

it('counts two signals at once as one, because `timeout` sends them to a process and to its group', async () => {
  const { output, ended } = await program(300);
  child.kill('SIGTERM');
  await expect.poll(output).toContain('stopping');
  child.kill('SIGTERM');
  expect(await ended).toBe(143);
  expect(output()).toContain('cleaned');
});

it('stops waiting at a second signal, and says who cleans up', async () => {
  const { output, ended } = await program(60_000);
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(output()).toContain('make local-clean');
});
