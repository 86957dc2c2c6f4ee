import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/**
 * `make sim-mutants`: each protection is taken out of a copy of the code, and the simulation must miss it within
 * SEEDS seeds. Those that nobody misses are listed, and the command fails.
 */
interface Mutant {
  protection: string;
  /** The number of the invariant that should find it. */
  by: string;
  file: string;
  from: string;
  to: string;
}

const mutants: readonly Mutant[] = [
  {
    protection: 'the intent is saved before the launch',
    by: 'I1',
    file: 'lambdas/reconcile/launch-host.ts',
    from: "  await saveIntent(run, enterPhase({ ...omit(state, 'order'), attempt, host }, 'provisioning', now));\n",
    to: "  run.row = { ...run.row, state: enterPhase({ ...omit(state, 'order'), attempt, host }, 'provisioning', now) };\n",
  },
  {
    protection: 'the client token is the same at each try',
    by: 'I1',
    file: 'lambdas/reconcile/launch-host.ts',
    from: 'machines.launch(host.intent, run.key, host.attempt)',
    to: 'machines.launch({ ...host.intent, clientToken: run.world.ports.newId() }, run.key, host.attempt)',
  },
  {
    protection: 'save is on condition of the lease',
    by: 'I4',
    file: 'lambdas/store/environment-writes.ts',
    from: "...stateIn(state), condition: equals('leaseId', leaseId) }",
    to: "...stateIn(state), condition: exists('key') }",
  },
  {
    protection: 'a lease that is held is not given',
    by: 'I5',
    file: 'lambdas/store/environment-writes.ts',
    from: "return any(absent('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));",
    to: "return any(absent('leaseId'), exists('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));",
  },
  {
    protection: 'a claim moves the next look to the end of the lease',
    by: 'I5',
    file: 'lambdas/store/environment-writes.ts',
    from: 'leaseUntil: until, nextLookAt: until, dueShard: DUE_SHARD }',
    to: 'leaseUntil: until }',
  },
  {
    protection: 'release is on condition of lease and wakes',
    by: 'I18',
    file: 'lambdas/store/environment-writes.ts',
    from: "condition: all(equals('leaseId', leaseId), equals('wakes', wakes)),",
    to: "condition: equals('leaseId', leaseId),",
  },
  {
    protection: 'the generation is used up before the mail',
    by: 'I11',
    file: 'lambdas/reconcile/mail-order.ts',
    from: 'await saveIntent(run, { ...run.row.state, generation: run.row.state.generation + 1 });',
    to: 'run.row = { ...run.row, state: { ...run.row.state, generation: run.row.state.generation + 1 } };',
  },
  {
    protection: 'the name of a tunnel is saved before it is made',
    by: 'I23',
    file: 'lambdas/reconcile/ensure-tunnel.ts',
    from: 'if (!state.tunnel) await saveIntent(run, { ...state, tunnel: { name, configured: false } });',
    to: 'if (!state.tunnel) run.row = { ...run.row, state: { ...state, tunnel: { name, configured: false } } };',
  },
  {
    protection: 'the names of records are saved before they are made',
    by: 'I23',
    file: 'lambdas/reconcile/ensure-records.ts',
    from: 'await saveIntent(run, { ...run.row.state, records: [...known, ...missing] });',
    to: 'run.row = { ...run.row, state: { ...run.row.state, records: [...known, ...missing] } };',
  },
  {
    protection: 'an orphan has a grace period and two sightings',
    by: 'I7',
    file: 'lambdas/sweep/compare-clouds.ts',
    from: `    if (ports.now() - thing.at < ORPHAN_GRACE || (thing.environment && busy.has(thing.environment))) continue;
    const firstSeen = await ports.records.sightOrphan(thing.kind, thing.id, ports.now());
    if (ports.now() - firstSeen < thing.after || removed.length >= ORPHAN_CAP) continue;
`,
    to: '',
  },
  {
    protection: 'a tunnel’s mark has exactly three numbers',
    by: 'I6',
    file: 'lambdas/core/names.ts',
    from: '/^(\\d+)-(\\d+)-\\d+$/.exec',
    to: '/(\\d+)-(\\d+)-\\d+$/.exec',
  },
  {
    protection: 'an error that nobody foresaw leaves the message in the queue',
    by: 'I18',
    file: 'lambdas/take-batch.ts',
    from: '      batchItemFailures.push({ itemIdentifier: record.messageId });\n',
    to: '',
  },
  {
    protection: 'who finds the lease held says its word all the same',
    by: 'I18',
    file: 'lambdas/reconcile/take-lease.ts',
    from: '    const told = await environments.wake(key, source, at);',
    to: '    const told = await environments.read(key);',
  },
  {
    protection: 'a dead run’s words are told anew',
    by: 'I22',
    file: 'lambdas/reconcile/reconcile.ts',
    from: 'if (row.takenFrom || cause.retell) row.state',
    to: 'if (cause.retell) row.state',
  },
  {
    protection: 'a launch that was begun is looked for by its token',
    by: 'I21',
    file: 'lambdas/reconcile/adopt-launch.ts',
    from: '  if (found) return found.power',
    to: '  if (found && found.power === "gone") return found.power',
  },
  {
    protection: 'for a while “there is no such machine” is no answer',
    by: 'I21',
    file: 'lambdas/reconcile/adopt-launch.ts',
    from: 'if (run.world.ports.now() - host.startedAt >= LAUNCH_LAG) return undefined;',
    to: 'return undefined;',
  },
  {
    protection: 'GitHub is asked before a disk goes',
    by: 'I9',
    file: 'lambdas/core/lifecycle.ts',
    from: "if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'ask-github' };",
    to: "if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'terminate-host' };",
  },
  {
    protection: 'the comparison leaves alone what a row has',
    by: 'I7',
    file: 'lambdas/sweep/compare-clouds.ts',
    from: '    ...(tunnel?.id ? [`tunnel $' + '{tunnel.id}`] : []),\n',
    to: '',
  },
  {
    protection: 'secrets stay out of the row',
    by: 'no secret',
    file: 'lambdas/reconcile/mail-order.ts',
    from: "const next = { ...omit(state, 'timings'), order: sent,",
    to: "const next = { ...omit(state, 'timings'), lastOrder: order, order: sent,",
  },
  {
    protection: 'a machine that is gone is known by its host row first',
    by: 'I21',
    file: 'lambdas/reconcile/launch-host.ts',
    from: '  await ports.records.putHost(instanceId, run.key, ports.now());\n',
    to: '',
  },
];

const root = join(import.meta.dirname, '..', '..');
const seeds = Number(process.env['SEEDS'] ?? 1_000);
const only = process.env['ONLY'];
const missed: string[] = [];
for (const mutant of mutants) {
  if (only && !mutant.protection.includes(only)) continue;
  const found = await tryWithout(mutant);
  console.log(
    `${found ? '✓' : '✗'} ${mutant.protection} (${mutant.by}): ${found ?? `nobody misses it in ${seeds} seeds`}`,
  );
  if (!found) missed.push(mutant.protection);
}
console.log(`${missed.length} of ${mutants.length} protections are not missed`);
process.exitCode = missed.length > 0 ? 1 : 0;

async function tryWithout({ file, from, to }: Mutant): Promise<string | undefined> {
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
