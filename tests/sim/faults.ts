import type { WireOp } from '../fakes/wire.ts';
import type { Tape } from './tape.ts';

/** What happens to one call. */
export type Fate =
  | { kind: 'ok' }
  | { kind: 'dies'; when: 'before' | 'after' }
  | { kind: 'fails'; when: 'before' | 'after'; how: 'reset' | 'throttled' }
  /** It takes effect later by this time; its caller has given up, or is gone. */
  | { kind: 'late'; by: number; caller: 'gave up' | 'dead' }
  | { kind: 'slow'; by: number };

/** Which faults a seed has, and how often; a seed with few of each kind would reach nothing. */
export interface Faults {
  /** `nth`: the number of the call in its run. */
  fateOf(op: WireOp, nth: number): Fate;
  /** Ends all faults from now on. */
  stop(): void;
  /** A message is received once more although it was handled. */
  duplicates(): boolean;
  /** A notification is lost. */
  loses(): boolean;
  /** Two calls fail together, because their common effect is too rare otherwise. */
  together: boolean;
  /** Milliseconds by which a process' clock is wrong. */
  skew(): number;
}

const fateKinds = ['dies', 'fails', 'late', 'slow'] as const;
type FateKind = (typeof fateKinds)[number];

/** Calls at which a fault costs most, because the row does not show their effect. */
const targets = [
  'ec2 RunInstances',
  'dynamodb UpdateItem environments claim',
  'dynamodb UpdateItem environments claimIfDue',
  'dynamodb UpdateItem environments save',
  'dynamodb UpdateItem environments release',
  'dynamodb UpdateItem environments wake',
  'dynamodb GetItem environments',
  'dynamodb PutItem hosts',
  'cloudflare createTunnel',
  'cloudflare createRecord',
  'cloudflare deleteRecord',
  'cloudflare editTunnel',
  'cloudflare deleteTunnel',
  's3 PutObject',
  's3 GetObject',
  's3 DeleteObjects',
  'sqs SendMessage',
  'sqs SendMessageBatch',
  'ssm SendCommand',
  'ssm GetParameters',
  'github pulls/get',
  'github git/get-tree',
  'github repos/download-tarball-archive',
  'github apps/create-installation-access-token',
  'github issues/list-comments',
  'github issues/create-comment',
  'github issues/update-comment',
  'github repos/create-deployment',
  'github repos/create-deployment-status',
  'github repos/create-commit-status',
  'github repos/list-deployments',
  'ec2 StopInstances',
  'ec2 StartInstances',
  'ec2 TerminateInstances',
  'ec2 DescribeInstances',
] as const;

const reads: readonly string[] = [
  'dynamodb GetItem environments',
  's3 GetObject',
  'ssm GetParameters',
  'github pulls/get',
  'github git/get-tree',
  'github repos/download-tarball-archive',
  'github apps/create-installation-access-token',
  'github issues/list-comments',
  'github repos/list-deployments',
  'ec2 DescribeInstances',
];

/** The faults that a run of many seeds must reach. */
export const aimedAt = targets.map((call) => ({ call, writes: !reads.includes(call) }));

/** The faults by their names in a story, without their amount. */
export function fatesOf(writes: boolean): string[] {
  const lost = writes ? ['reset after', 'late, caller gave up', 'late, caller dead'] : [];
  return ['dies before', 'dies after', 'reset before', ...lost, 'slow'];
}

interface Profile {
  everywhere: { kind: FateKind; often: number } | undefined;
  aims: { call: string; kind: FateKind; often: number }[];
  together: boolean;
  duplicates: number;
  loses: number;
  skew: number;
}

/** Calls that fail together, as when a disk is to be removed and nothing confirms that it may be. */
type Couple = readonly [string, string];
const couples: readonly [Couple, ...Couple[]] = [
  ['ec2 TerminateInstances', 'github pulls/get'],
  ['cloudflare deleteRecord', 'github pulls/get'],
  ['ec2 RunInstances', 'dynamodb UpdateItem environments save'],
  ['s3 PutObject', 'ssm SendCommand'],
  ['ec2 StopInstances', 'ec2 StartInstances'],
];

function drawCouple(tape: Tape): Profile['aims'] {
  const couple = tape.pick(couples);
  const kind = tape.pick<FateKind>(['fails', 'fails', 'dies', 'late', 'slow']);
  return couple.map((call) => ({ call, kind, often: tape.pick([0.5, 0.3, 0.8]) }));
}

function drawProfile(tape: Tape): Profile {
  const everywhere = tape.chance(0.4)
    ? { kind: tape.pick(fateKinds), often: tape.pick([0.01, 0.02, 0.06]) }
    : undefined;
  const count = tape.pick<number | 'couple'>([0, 1, 1, 2, 'couple', 'couple']);
  const aims =
    count === 'couple'
      ? drawCouple(tape)
      : Array.from({ length: count }, () => ({
          call: tape.pick(targets),
          kind: tape.pick(fateKinds),
          often: tape.pick([0.1, 0.3, 0.5, 0.7]),
        }));
  return {
    everywhere,
    aims,
    together: count === 'couple',
    duplicates: tape.pick([0, 0, 0, 0.05, 0.3]),
    loses: tape.pick([0, 0, 0, 0, 0.2]),
    skew: tape.pick([0, 0, 1_000]),
  };
}

/** Delays that are longer than the longest lease, and than any run. */
const lateness = [3_000, 20_000, 70_000, 100_000, 200_000] as const;
const slowness = [2_000, 8_000, 25_000] as const;

export function createFaults(tape: Tape): Faults {
  const profile = drawProfile(tape);
  let over = false;

  /** The number of draws is always the same, so that a draw that is removed leaves the meaning of the others. */
  const fateOf = (op: WireOp): Fate => {
    if (over) return { kind: 'ok' };
    const luck = tape.choose(10_000) / 10_000;
    const detail = tape.choose(1_000);
    const aim = profile.aims.find(({ call }) => call === op.name);
    const { kind, often } = aim ?? profile.everywhere ?? { kind: 'dies' as const, often: 0 };
    return luck >= 1 - often ? toFate(kind, detail, op) : { kind: 'ok' };
  };
  return {
    fateOf,
    stop() {
      over = true;
    },
    together: profile.together,
    duplicates: () => !over && profile.duplicates > 0 && tape.chance(profile.duplicates),
    loses: () => !over && profile.loses > 0 && tape.chance(profile.loses),
    skew: () => (profile.skew === 0 ? 0 : tape.pick([0, profile.skew, -profile.skew])),
  };
}

function toFate(kind: FateKind, detail: number, { writes, name }: WireOp): Fate {
  const when = detail % 2 === 0 ? 'before' : 'after';
  switch (kind) {
    case 'dies':
      return { kind, when };
    case 'fails':
      return { kind, when, how: name.startsWith('github ') && detail % 5 === 0 ? 'throttled' : 'reset' };
    case 'late':
      // A call that only reads changes nothing, however late it is.
      if (!writes) return { kind: 'fails', when: 'before', how: 'reset' };
      return {
        kind,
        by: lateness[detail % lateness.length] ?? lateness[0],
        caller: detail % 3 === 0 ? 'dead' : 'gave up',
      };
    case 'slow':
      return { kind, by: slowness[detail % slowness.length] ?? slowness[0] };
    default:
      throw new Error(`unhandled fate: ${kind satisfies never}`);
  }
}
