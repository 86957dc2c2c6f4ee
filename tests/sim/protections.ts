/** A protection of the code, and how it is taken out. */
export interface Protection {
  what: string;
  /** The number of the invariant that should find it missing. */
  by: string;
  file: string;
  from: string;
  to: string;
  /** A second protection that alone would be enough, so that the two are taken out together. */
  also?: Change;
}

export type Change = Pick<Protection, 'file' | 'from' | 'to'>;

const compute = 'lambdas/providers/ec2/ec2-compute.ts';
const ingress = 'lambdas/providers/cloudflare/cloudflare-ingress.ts';
const garbage = 'lambdas/sweep/collect-garbage.ts';
const writes = 'lambdas/store/environment-writes.ts';

export const protections: readonly Protection[] = [
  {
    what: 'the intent is saved before the launch',
    by: 'I1',
    file: 'lambdas/reconcile/move-until-done.ts',
    from: 'if (moved.saveFirst) await saveIntent(run, state);',
    to: 'if (moved.saveFirst) run.row = { ...run.row, state };',
  },
  {
    what: 'the client token is the same at each try',
    by: 'I1',
    file: compute,
    from: 'ports.machines.launch(intent, environment, attempt)',
    to: "ports.machines.launch({ ...intent, clientToken: intent.clientToken + '-' + now() }, environment, attempt)",
  },
  {
    what: 'save is on condition of the lease',
    by: 'I4',
    file: writes,
    from: '    const condition = all(...isHeldBy(holder));\n',
    to: "    const condition = exists('key');\n",
  },
  {
    what: 'a late write does not pass a later one of the same holder',
    by: 'I4',
    file: writes,
    from: "return [equals('leaseId', leaseId), any(absent('writes'), atMost('writes', write))];",
    to: "return [equals('leaseId', leaseId)];",
  },
  {
    what: 'a lease that is held is not given',
    by: 'I5',
    file: writes,
    from: "return any(absent('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));",
    to: "return any(absent('leaseId'), exists('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));",
  },
  {
    what: 'a claim moves the next look to the end of the lease',
    by: 'I5',
    file: writes,
    from: 'leaseUntil: until, writes: 0, nextLookAt: until, dueShard: DUE_SHARD }',
    to: 'leaseUntil: until, writes: 0 }',
  },
  {
    what: 'release is on condition of lease and wakes',
    by: 'I18',
    file: writes,
    from: "condition: all(...isHeldBy(holder), equals('wakes', wakes)),",
    to: 'condition: all(...isHeldBy(holder)),',
  },
  {
    what: 'the generation is used up before the spec is written',
    by: 'I11',
    file: 'lambdas/reconcile/write-spec.ts',
    from: 'await saveIntent(run, { ...run.row.state, generation: run.row.state.generation + 1 });',
    to: 'run.row = { ...run.row, state: { ...run.row.state, generation: run.row.state.generation + 1 } };',
  },
  {
    // The adapter's own condition is covered by its contract tests.
    what: 'a deployment spec that arrives late takes no place of a newer one',
    by: 'I11',
    file: 'tests/fakes/memory-mailbox.ts',
    from: 'if (tagOf(objects.get(key)) !== found) return undefined;',
    to: 'if (key.length === found?.length) return undefined;',
  },
  {
    what: 'the name of a tunnel is saved before it is made',
    by: 'I23',
    file: ingress,
    from: 'return begun({ tunnel: { name, configured: false }, records: [...records, ...added] });',
    to: "return moved({ tunnel: { name, configured: false }, records: [...records, ...added] }, '');",
  },
  {
    what: 'the names of records are saved before they are made',
    by: 'I23',
    file: ingress,
    from: 'if (added.length > 0) return begun({ ...known, records: [...records, ...added] });',
    to: "if (added.length > 0) return moved({ ...known, records: [...records, ...added] }, '');",
  },
  {
    what: 'that an address is being taken away is saved first',
    by: 'I13',
    file: 'lambdas/reconcile/withdraw-address.ts',
    from: '  else await saveIntent(run, intent);\n',
    to: '  else run.row = { ...run.row, state: intent };\n',
    // The next run looks for what a run that died was removing.
    also: {
      file: 'lambdas/reconcile/reconcile.ts',
      from: "suspect ? 'must' : row.takenFrom ? 'may' : undefined;",
      to: "suspect ? 'must' : undefined;",
    },
  },
  {
    what: 'an orphan has a grace period and two sightings',
    by: 'I7',
    file: garbage,
    from: `    if (ports.now() - since < ORPHAN_GRACE || (environment && busy.includes(markedKey(environment))))
      continue;
    const firstSeen = await ports.records.sightOrphan(kind, id, ports.now());
    if (ports.now() - firstSeen < waitingTime(unit) || removed.length >= ORPHAN_CAP) continue;
`,
    to: '',
  },
  {
    what: 'an orphan is seen twice',
    by: 'I7',
    file: garbage,
    from: '    if (ports.now() - firstSeen < waitingTime(unit) || removed.length >= ORPHAN_CAP) continue;\n',
    to: '',
  },
  {
    what: 'a tunnel’s mark has exactly three numbers',
    by: 'I6',
    file: 'lambdas/providers/cloudflare/marks.ts',
    from: '/^(\\d+)-(\\d+)-\\d+$/.exec',
    to: '/(\\d+)-(\\d+)-\\d+$/.exec',
  },
  {
    what: 'the garbage collection leaves alone what a row has',
    by: 'I7',
    file: ingress,
    from: 'return [tunnel, ...records].flatMap((one) => one?.id ?? []);',
    to: 'return records.flatMap((one) => one.id ?? []);',
  },
  {
    what: 'the garbage collection leaves alone what a row has begun',
    by: 'I7',
    file: garbage,
    from: ' || begun.has(mark);',
    to: ';',
  },
  {
    what: 'an error that nobody foresaw leaves the message in the queue',
    by: 'I18',
    file: 'lambdas/take-batch.ts',
    from: '      batchItemFailures.push({ itemIdentifier: record.messageId });\n',
    to: '',
  },
  {
    what: 'who finds the lease held says its word all the same',
    by: 'I18',
    file: 'lambdas/reconcile/take-lease.ts',
    from: '    const told = await environments.wake(key, source, at, said);',
    to: '    const told = await environments.read(key);',
  },
  {
    what: 'a dead run’s words are told anew',
    by: 'I22',
    file: 'lambdas/reconcile/reconcile.ts',
    from: '  if (row.takenFrom) row.state = forgetReported(forge, row.state);\n',
    to: '',
    // The hourly garbage collection repairs it, an hour later.
    also: {
      file: 'lambdas/reconcile/recheck.ts',
      from: "if (!run.hints.has('recheck') || run.rechecked || !state.told || state.away) return state;",
      to: 'if (run) return state;',
    },
  },
  {
    what: 'a launch that was begun is looked for by its token',
    by: 'I21',
    file: compute,
    from: "    if (found) return found.power === 'gone' ? undefined",
    to: "    if (found?.power === 'gone') return found.power === 'gone' ? undefined",
  },
  {
    what: 'for a while “there is no such machine” is no answer',
    by: 'I21',
    file: compute,
    from: 'if (now() - data.begunAt >= LAUNCH_LAG) return undefined;',
    to: 'return undefined;',
  },
  {
    what: 'the forge is asked before a disk goes',
    by: 'I9',
    file: 'lambdas/core/lifecycle.ts',
    from: "if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'ask-forge' };",
    to: "if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'terminate-host' };",
  },
  {
    what: 'secrets stay out of the row',
    by: 'no secret',
    file: 'lambdas/reconcile/write-spec.ts',
    from: '    order: sent,\n',
    to: '    order: sent, lastSpec: spec,\n',
  },
  {
    what: 'a machine is known by its host row before it reports',
    by: 'I21',
    file: compute,
    from: 'if (!data.registered) return register(environment, known, true);',
    to: "if (!data.registered) return { handle: hostHandle({ ...known, registered: true }), done: true, note: '' };",
  },
  {
    what: 'a newer push does not wait for the build of an older one',
    by: 'I17',
    file: 'lambdas/core/lifecycle.ts',
    from: 'const letFinish = isLastSent(state) && isUnfinished(order) && isStarving(state, now);',
    to: 'const letFinish = isLastSent(state) && isUnfinished(order);',
  },
  {
    what: 'the row wakes itself at its next look',
    by: 'I25',
    file: 'lambdas/reconcile/reconcile.ts',
    from: "    await wakeLater(run.key, 'due', until, run.deps);\n",
    to: '',
  },
  {
    what: 'who failed is told why',
    by: 'I20',
    file: 'lambdas/core/summary.ts',
    from: 'if (!failure || failure.sha !== state.pull?.sha || !isWanted(state)) return {};',
    to: 'if (failure === undefined || failure.code) return {};',
  },
];
