import type { EnvironmentState } from '#core/environment';
import { parseHandle } from '../../lambdas/providers/cloudflare/cloudflare-handle.ts';
import { readHostHandle } from '../../lambdas/providers/ec2/host-handle.ts';
import { readReported } from '../../lambdas/providers/github/github-reported.ts';
import type { Item } from '../../lambdas/store/table.ts';

/**
 * What a row has and wants. This is the only file of the simulation that knows the form of a row.
 */
export interface RowView {
  key: string;
  wakes: number;
  lease: { id: string; until: number } | undefined;
  nextLookAt: number | undefined;
  /** The row as it was written, the same object until the next write. */
  state: unknown;
  desiredCommit: string | undefined;
  machine: { id: string | undefined; token: string; mayHoldData: boolean } | undefined;
  tunnel: { id: string | undefined; name: string } | undefined;
  records: readonly { id: string | undefined; hostname: string }[];
  hostname: string | undefined;
  comment: number | undefined;
  deployment: number | undefined;
  status: string | undefined;
  finalState: 'serving' | 'failed' | 'declined' | 'gone' | 'under way';
  /** The reason why its commit failed. */
  failure: string | undefined;
  buildingSince: number | undefined;
  /** The deployment spec whose result the machine is to report. */
  awaited: number | undefined;
}

export function viewOf(item: Item): RowView {
  const known = views.get(item);
  if (known) return known;
  const view = newView(item);
  views.set(item, view);
  return view;
}

/** An item is frozen, so its view stays the same. */
const views = new WeakMap<Item, RowView>();

/** The parts of a row that are read at most calls. */
export function leaseOf(item: Item): RowView['lease'] {
  const leaseId = item['leaseId'];
  return typeof leaseId === 'string' ? { id: leaseId, until: Number(item['leaseUntil']) } : undefined;
}

function newView(item: Item): RowView {
  const state = stateOf(item);
  const address = parseHandle(state.ingress);
  const { tunnel, records } = address === 'unknown' ? { records: [] } : address;
  const words = readReported(state.told);
  const told = words === 'unknown' ? {} : words;
  return {
    key: String(item['key']),
    wakes: Number(item['wakes']),
    lease: leaseOf(item),
    nextLookAt: typeof item['nextLookAt'] === 'number' ? item['nextLookAt'] : undefined,
    state: item['state'],
    desiredCommit: state.pull?.sha,
    machine: machineOf(state),
    tunnel: tunnel && { id: tunnel.id, name: tunnel.name },
    records: records.map(({ id, hostname }) => ({ id, hostname })),
    hostname: state.hostname,
    comment: told.comment?.id || undefined,
    deployment: told.deployment?.id || undefined,
    status: told.status?.sha,
    finalState: finalStateOf(state),
    failure: state.failure?.sha === state.pull?.sha ? state.failure?.sentence : undefined,
    buildingSince: state.unfinishedSince,
    awaited: awaitedOf(state),
  };
}

/** How many writes the holder of the lease had made. */
export function writesOf(item: Item): number | undefined {
  return typeof item['writes'] === 'number' ? item['writes'] : undefined;
}

/** The phase and its reason, which cost less than the whole view. */
export function shownOf(item: Item): { phase: string; reason: string | undefined } {
  const { phase, wanted } = stateOf(item);
  return { phase: phase ?? 'none', reason: wanted?.reason };
}

function machineOf({ host }: Partial<EnvironmentState>): RowView['machine'] {
  const known = host && readHostHandle(host.handle);
  if (!known) return undefined;
  return { id: known.instanceId, token: known.intent.clientToken, mayHoldData: host.everHeard === true };
}

/** The deployment spec that was sent last, or that on the disk of a machine that was switched on again. */
function awaitedOf({ order, onDisk }: Partial<EnvironmentState>): number | undefined {
  if (order === undefined || order.finished === 'superseded') return undefined;
  return order.finished === undefined ? order.generation : onDisk?.generation;
}

function stateOf(item: Item): Partial<EnvironmentState> {
  const state = item['state'];
  return typeof state === 'object' && state !== null ? state : {};
}

function finalStateOf({ phase, failure, pull }: Partial<EnvironmentState>): RowView['finalState'] {
  switch (phase) {
    case 'ready':
      return 'serving';
    case 'failed':
      return failure?.sha === pull?.sha ? 'failed' : 'under way';
    case 'declined':
      return 'declined';
    case 'destroyed':
      return 'gone';
    default:
      return 'under way';
  }
}
