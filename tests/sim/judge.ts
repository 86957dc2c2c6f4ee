import type { WireOp } from '../fakes/wire.ts';
import { createGenerations, createPace, createSecretSearch, instants } from './invariants/instant.ts';
import type { Effect, Instant, Timed } from './invariants/invariant.ts';
import { listened, reporterOf, spokenOf, timed, told, watch } from './invariants/timed.ts';
import type { Process, Witness } from './schedule.ts';
import type { Simulation } from './simulation.ts';
import { pullOf, wantedOf } from './truth.ts';
import { leaseOf, shownOf } from './view.ts';

/** An invariant that does not hold; the run ends here. */
export class Broken extends Error {
  readonly invariant: string;
  readonly why: string;
  constructor(invariant: string, why: string) {
    super(`${invariant}: ${why}`);
    this.invariant = invariant;
    this.why = why;
  }
}

const ROW = 'dynamodb UpdateItem environments ';
const CLAIM = `${ROW}claim`;

/** Checks every effect, and keeps for each run what the invariants need. */
export function createJudge(sim: Simulation): Witness {
  const all: readonly Instant[] = [...instants, createSecretSearch(), createGenerations(), createPace()];
  const touching = new Map<string, { early: Instant[]; late: Instant[] }>();
  const of = (name: string) => {
    const known = touching.get(name);
    if (known) return known;
    const mine = all.filter(({ touches }) => touches.test(name));
    const found = { early: mine.filter(({ early }) => early), late: mine.filter(({ early }) => !early) };
    touching.set(name, found);
    return found;
  };
  const check = (invariants: readonly Instant[], effect: Effect): void => {
    for (const { id, broken } of invariants) {
      const why = broken(effect);
      if (why !== undefined) throw new Broken(id, why);
    }
  };
  const { rows } = sim.platform;
  const watchFor = (one: Timed, key: string): void =>
    watch(sim, key, one, (why) => {
      throw new Broken(one.id, why);
    });
  return {
    before(process, op) {
      const before = op.name.startsWith(ROW) ? rows.get(op.about) : undefined;
      const { early } = of(op.name);
      if (early.length > 0) {
        const result = { ok: false } as const;
        check(early, { sim, process, op, before, after: undefined, result, late: process.over });
      }
      return before;
    },
    after(process, op, before, result, late) {
      const wasRow = op.name.startsWith(ROW);
      // A write whose condition did not hold returns nothing, and changed nothing.
      const written = wasRow && result.ok && result.value !== undefined;
      const after = written ? rows.get(op.about) : undefined;
      const { late: invariants } = of(op.name);
      if (invariants.length > 0) {
        check(invariants, {
          sim,
          process,
          op,
          before: isItem(before) ? before : undefined,
          after,
          result,
          late,
        });
      }
      remember(sim, process, op, after, result.ok);
      if (!after) return;
      const { phase, reason } = shownOf(after);
      const { shown } = sim.history.marks;
      shown.add(`phase ${phase}`);
      if (reason !== undefined) shown.add(`rule ${reason}`);
      if (phase === 'failed' && !(isItem(before) && isFailed(before))) watchFor(told, op.about);
    },
    received(body) {
      const key = spokenOf(body);
      if (key !== undefined) for (const one of timed) watchFor(one, key);
      const reporter = reporterOf(sim, body);
      if (reporter !== undefined) watchFor(listened, reporter);
    },
  };
}

function remember(sim: Simulation, process: Process, op: WireOp, after: Effect['after'], ok: boolean): void {
  if (after && op.name.startsWith(CLAIM)) {
    process.key = op.about;
    process.leaseId = leaseOf(after)?.id;
    process.heard = undefined;
  }
  if (after && process.key === op.about) process.seen = after['state'];
  if (op.name === 'dynamodb GetItem environments' && process.key === op.about) {
    process.seen = sim.platform.rows.get(op.about)?.['state'];
  }
  if (!ok || process.key === undefined) return;
  if (op.name === 'github pulls/get') {
    const pull = pullOf(sim, process.key);
    const wanted = pull && wantedOf(sim, pull).kind;
    process.heard = wanted === 'gone' || wanted === 'declined' ? 'unwanted' : 'wanted';
  }
  // The operator takes Eph down, and this run has read that, whatever changes later.
  if (op.name === 'ssm GetParameters' && sim.platform.operator.paused === 'closed')
    process.heard = 'unwanted';
  // This begins the proof that the App may not see it any more.
  if (op.name === 'github apps/list-installations') process.heard = 'unwanted';
}

function isFailed(item: NonNullable<Effect['before']>): boolean {
  return shownOf(item).phase === 'failed';
}

function isItem(value: unknown): value is NonNullable<Effect['before']> {
  return typeof value === 'object' && value !== null;
}
