import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import * as v from 'valibot';
import { type Change, type Protection, protections } from './protections.ts';
import type { Seeds } from './run-seeds.ts';

/**
 * `make sim-mutants`: each protection is taken out of a copy of the code, and the simulation must find it missing
 * within SEEDS seeds, or else in one of the plans (ONLY='part of its name'). Those that are not found missing are
 * listed, and the command fails. Each is tried in a process with one thread, as many at once as there are processors.
 */
const brokenRuns = v.array(
  v.object({ seed: v.number(), again: v.string(), invariant: v.string(), why: v.string() }),
);
type BrokenRun = v.InferOutput<typeof brokenRuns>[number];

const root = join(import.meta.dirname, '..', '..');
const count = Number(process.env['SEEDS'] ?? 1_000);
const only = process.env['ONLY'] ?? '';

const chosen = protections.filter(({ what }) => what.includes(only));
const waiting = [...chosen];
const missed: string[] = [];
await Promise.all(Array.from({ length: availableParallelism() }, tryThoseThatWait));
console.log(`${missed.length} of ${chosen.length} protections are not missed`);
for (const what of missed) console.log(`not missed: ${what}`);
process.exitCode = missed.length > 0 ? 1 : 0;

async function tryThoseThatWait(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { what, by } = next;
    const found = await tryWithout(next);
    console.log(`${found ? '✓' : '✗'} ${what} (${by}): ${found ? textOf(found) : 'nobody misses it'}`);
    if (!found) missed.push(what);
  }
}

function textOf({ again, invariant, why }: BrokenRun): string {
  return `${again}, ${invariant}: ${why.slice(0, 120)}`;
}

async function tryWithout({ also, ...change }: Protection): Promise<BrokenRun | undefined> {
  if (also)
    return whileCopied([change, also], (both) => whileCopied([also], (one) => firstOnlyIn(both, one)));
  return whileCopied([change], async (copy) => {
    const bySeed = await brokenIn(copy, { first: 1, count });
    return bySeed ?? brokenIn(copy, { first: 0, count: 0, plans: { every: 1, pairs: 0 } });
  });
}

/** A result of the other protection alone shows nothing about this one. */
async function firstOnlyIn(both: string, other: string): Promise<BrokenRun | undefined> {
  for (let first = 1; first <= count; ) {
    const found = await brokenIn(both, { first, count: count + 1 - first });
    if (!found || !(await brokenIn(other, { first: found.seed, count: 1 }))) return found;
    first = found.seed + 1;
  }
  return undefined;
}

/** Makes a copy of the code with these changes, for the time of the work. */
async function whileCopied<T>(changes: readonly Change[], work: (copy: string) => Promise<T>): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), 'eph-mutant-'));
  try {
    for (const part of ['lambdas', 'local', 'tests/fakes', 'tests/sim', 'worker', 'host', 'package.json']) {
      await cp(join(root, part), join(copy, part), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const change of changes) await apply(copy, change);
    return await work(copy);
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

/** The first broken run, if there is one. */
function brokenIn(
  copy: string,
  seeds: Pick<Seeds, 'first' | 'count' | 'plans'>,
): Promise<BrokenRun | undefined> {
  const script = `
    import { runSeeds } from './tests/sim/run-seeds.ts';
    const { broken } = await runSeeds({ ...${JSON.stringify(seeds)}, threads: 1, untilBroken: true });
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
      else resolve(v.parse(brokenRuns, JSON.parse(output))[0]);
    });
  });
}
