import type { EnvironmentState, Row } from '#core/environment';
import type { Handle, Kept, Unit } from '../providers/handle.ts';

/** Something that makes units at a vendor, and knows which of them a row owns. */
export interface GarbageSource {
  /** Throws if the list is not complete. */
  list(): AsyncIterable<Unit>;
  /** Ids of units and of their parts; `unknown`: the row has them in a form that only a newer version can read. */
  owns(row: Row): string[] | 'unknown';
  /** The row has begun something whose id it does not know: it may be any unit with its mark. */
  hasBegun(row: Row): boolean;
  discard(unit: Unit): Promise<'removed' | 'stopped'>;
}

/** The source for a provider whose handle is in the row. */
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
