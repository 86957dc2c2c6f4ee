import type { EnvironmentState, Row } from '#core/environment';
import type { Handle, Kept, Unit } from '../providers/handle.ts';

/** Whoever makes units in a cloud, and which of them a row answers for. */
export interface GarbageSource {
  /** Throws rather than end early. */
  list(): AsyncIterable<Unit>;
  /** Ids of units and of their parts; `unknown`: the row says it in a way that only a newer version can read. */
  owns(row: Row): string[] | 'unknown';
  /** The row has begun something whose id it does not know: any unit with its mark may be it. */
  hasBegun(row: Row): boolean;
  discard(unit: Unit): Promise<'removed' | 'stopped'>;
}

/** A provider, whose handle stands in the row. */
export function garbageSourceOf(
  kept: Kept,
  handleOf: (state: EnvironmentState) => Handle | undefined,
): GarbageSource {
  const read = (state: EnvironmentState): Handle | 'unknown' | undefined => {
    const handle = handleOf(state);
    return handle && kept.upgrade(handle);
  };
  return {
    list: () => kept.list(),
    owns({ state }) {
      const known = read(state);
      if (!known || known === 'unknown') return known ?? [];
      return kept.owns(known);
    },
    hasBegun({ state }) {
      const known = read(state);
      return known !== undefined && known !== 'unknown' && kept.hasBegun(known);
    },
    discard: (unit) => kept.discard(unit),
  };
}
