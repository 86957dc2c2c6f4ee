import type { EnvironmentState, Row } from '#core/environment';
import type { Handle, Kept, Unit } from '../providers/handle.ts';

/** Whoever makes units in a cloud, and which of them a row answers for. */
export interface Keeper {
  /** Throws rather than end early. */
  list(): AsyncIterable<Unit>;
  /** Ids of units and of their parts; `unknown`: the row says it in a way that only a newer version can read. */
  owns(row: Row): string[] | 'unknown';
  discard(unit: Unit): Promise<'removed' | 'stopped'>;
  /** The row's own run can make again, or take note of, what is not there. */
  missed: boolean;
}

/** A provider, whose handle stands in the row. */
export function keeperOf(kept: Kept, handleOf: (state: EnvironmentState) => Handle | undefined): Keeper {
  return {
    list: () => kept.list(),
    owns({ state }) {
      const handle = handleOf(state);
      const known = handle && kept.upgrade(handle);
      if (!known || known === 'unknown') return known ?? [];
      return kept.owns(known);
    },
    discard: (unit) => kept.discard(unit),
    missed: true,
  };
}
