import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Protection, protections } from './protections.ts';

/**
 * `make sim-mutants`: each protection is taken out of a copy of the code, and the simulation must miss it within
 * SEEDS seeds (ONLY='part of its name'). Those that nobody misses are listed, and the command fails.
 */
const root = join(import.meta.dirname, '..', '..');
const seeds = Number(process.env['SEEDS'] ?? 1_000);
const only = process.env['ONLY'];
const missed: string[] = [];
for (const protection of protections) {
  const { what, by } = protection;
  if (only && !what.includes(only)) continue;
  const found = await tryWithout(protection);
  console.log(`${found ? '✓' : '✗'} ${what} (${by}): ${found ?? `nobody misses it in ${seeds} seeds`}`);
  if (!found) missed.push(what);
}
console.log(`${missed.length} of ${protections.length} protections are not missed`);
process.exitCode = missed.length > 0 ? 1 : 0;

async function tryWithout({ file, from, to }: Protection): Promise<string | undefined> {
  const copy = await mkdtemp(join(tmpdir(), 'eph-mutant-'));
  try {
    for (const part of ['lambdas', 'local', 'tests/fakes', 'tests/sim', 'worker', 'host', 'package.json']) {
      await cp(join(root, part), join(copy, part), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const text = await readFile(join(copy, file), 'utf8');
    if (!text.includes(from)) throw new Error(`${file} has no longer what the mutant changes: ${from}`);
    await writeFile(
      join(copy, file),
      text.replace(from, () => to),
    );
    return await firstBroken(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** The first seed that is broken, and how. */
function firstBroken(copy: string): Promise<string | undefined> {
  const script = `
    import { runSeeds } from './tests/sim/run-seeds.ts';
    const seeds = { first: 1, count: ${seeds}, threads: ${availableParallelism()}, untilBroken: true };
    const { broken: [first] } = await runSeeds(seeds);
    if (first) console.log('seed ' + first.seed + ', ' + first.invariant + ': ' + first.why.slice(0, 120));
  `;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(errors));
      else resolve(output.trim() || undefined);
    });
  });
}
