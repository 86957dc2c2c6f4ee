import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import * as v from 'valibot';
import { type Change, type Protection, protections } from './protections.ts';

/**
 * `make sim-mutants`: each protection is taken out of a copy of the code, and the simulation must miss it within
 * SEEDS seeds (ONLY='part of its name'). Those that nobody misses are listed, and the command fails.
 */
const brokenSeeds = v.array(v.object({ seed: v.number(), invariant: v.string(), why: v.string() }));
type BrokenSeed = v.InferOutput<typeof brokenSeeds>[number];

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

async function tryWithout({ also, ...change }: Protection): Promise<string | undefined> {
  if (!also) {
    const [first] = await brokenWithout([change], true);
    return first && textOf(first);
  }
  // What the other one alone would break says nothing of this one.
  const others = new Set((await brokenWithout([also], false)).map(({ seed }) => seed));
  const first = (await brokenWithout([change, also], false)).find(({ seed }) => !others.has(seed));
  return first && textOf(first);
}

function textOf({ seed, invariant, why }: BrokenSeed): string {
  return `seed ${seed}, ${invariant}: ${why.slice(0, 120)}`;
}

async function brokenWithout(changes: readonly Change[], untilBroken: boolean): Promise<BrokenSeed[]> {
  const copy = await mkdtemp(join(tmpdir(), 'eph-mutant-'));
  try {
    for (const part of ['lambdas', 'local', 'tests/fakes', 'tests/sim', 'worker', 'host', 'package.json']) {
      await cp(join(root, part), join(copy, part), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const change of changes) await apply(copy, change);
    return await runIn(copy, untilBroken);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function apply(copy: string, { file, from, to }: Change): Promise<void> {
  const path = join(copy, file);
  const text = await readFile(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} has no longer what the mutant changes: ${from}`);
  await writeFile(
    path,
    text.replace(from, () => to),
  );
}

/** The seeds that are broken, in their order. */
function runIn(copy: string, untilBroken: boolean): Promise<BrokenSeed[]> {
  const script = `
    import { runSeeds } from './tests/sim/run-seeds.ts';
    const seeds = { first: 1, count: ${seeds}, threads: ${availableParallelism()}, untilBroken: ${untilBroken} };
    const { broken } = await runSeeds(seeds);
    console.log(JSON.stringify(broken));
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
      else resolve(v.parse(brokenSeeds, JSON.parse(output)));
    });
  });
}
