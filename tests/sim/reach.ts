import { declines, type Reason } from '#core/desired';
import type { Phase } from '#core/environment';
import { aimedAt, fatesOf } from './faults.ts';
import type { Outcome } from './run-seed.ts';

/** The cases that were reached, and in how many runs: `ec2 RunInstances: dies after`, `phase ready`, `rule closed`. */
export type Reach = Map<string, number>;

export function addReach(reach: Reach, { happenings, shown }: Outcome): void {
  const met = new Set(shown);
  for (const one of happenings) {
    if (one.kind === 'fate') met.add(`${one.call}: ${kindOf(one.fate)}`);
  }
  for (const mark of met) reach.set(mark, (reach.get(mark) ?? 0) + 1);
}

/** The name without the amount. */
function kindOf(fate: string): string {
  return fate.replace(/ by [\d.]+ s/, '');
}

export function mergeReach(parts: readonly (readonly [string, number])[]): Reach {
  const all: Reach = new Map();
  for (const [mark, times] of parts) all.set(mark, (all.get(mark) ?? 0) + times);
  return all;
}

/** A phase or rule that no run can reach yet, and why. */
const notYet: Partial<Record<Phase | Reason, string>> = {
  cold: 'nothing sets a time after which a preview that nobody uses loses its disk',
  expired: 'nothing sets a time after which a preview that nobody uses loses its disk',
  idle: 'nothing puts to sleep what nobody uses',
  evicted: 'there is no limit on how many are awake',
  'asked-stop': 'nobody can ask for it yet',
  'asked-destroy': 'nobody can ask for it yet',
  'no-pull': 'GitHub of the tests never loses a pull request; the stories take one away',
};

const phases: readonly Phase[] = [
  'declined',
  'queued',
  'provisioning',
  'deploying',
  'ready',
  'updating',
  'stopping',
  'stopped',
  'waking',
  'destroying',
  'destroyed',
  'failed',
  'new',
  'cold',
];

const reasons: readonly Reason[] = [
  'wanted',
  'operator-closed',
  'closed',
  'merged',
  'archived',
  'no-access',
  'no-pull',
  'asked-destroy',
  ...declines,
  'expired',
  'operator-everything',
  'asked-stop',
  'evicted',
  'idle',
];

/** The cases that many seeds must reach; otherwise a run without a broken seed shows nothing. */
export function declaredReach(): string[] {
  return [
    ...aimedAt.flatMap(({ call, writes }) => fatesOf(writes).map((fate) => `${call}: ${fate}`)),
    ...phases.filter((phase) => !notYet[phase]).map((phase) => `phase ${phase}`),
    ...reasons.filter((reason) => !notYet[reason]).map((reason) => `rule ${reason}`),
  ];
}

/** The declared cases that were never reached. */
export function unreached(reach: Reach): string[] {
  return declaredReach().filter((mark) => !reach.has(mark));
}

/** One line for each call, and one each for phases and rules. */
export function printReach(reach: Reach): string[] {
  const lines = new Map<string, string[]>();
  for (const [mark, times] of [...reach].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [, head = mark, rest = ''] = /^(phase|rule|.*?(?=: )):? ?(.*)$/.exec(mark) ?? [];
    lines.set(head, [...(lines.get(head) ?? []), `${rest} ${times}`]);
  }
  return [...lines].map(([head, parts]) => `${head}: ${parts.join(', ')}`);
}
