import { ORPHAN_SIGHTING } from '#core/limits';
import { absent, any, atLeast } from './condition.ts';
import type { ItemKey, KeyNames } from './item-key.ts';
import { unlessThere, type Write } from './write.ts';

/** The key of the tables of builds and of events; sightings of orphans are kept among the events. */
export const recordKey: KeyNames = { partition: 'environment', sort: 'id' };

/** A thing that was seen and should not exist, or an access that is lost. */
export interface Sighting {
  kind: string;
  id: string;
}

/** Every write to the tables of builds and events, except for the events themselves, which are put once. */
export const recordWrites = {
  /** What is known of a build so far; begin and end may come in any order. */
  build(environment: string, generation: number, known: object, expiresAt: number): Write {
    const key = { key: environment, sort: String(generation).padStart(9, '0') };
    return { verb: 'build', ...key, set: { ...known, expiresAt } };
  },

  /** Refused if it was not seen for a while: then it counts as new. */
  sightAgain(what: Sighting, now: number, expiresAt: number): Write {
    return {
      verb: 'sightAgain',
      ...sightingKey(what),
      set: { lastSeen: now, expiresAt },
      setFrom: unlessThere({ firstSeen: now }),
      condition: any(absent('firstSeen'), atLeast('lastSeen', now - ORPHAN_SIGHTING)),
    };
  },

  sightAnew(what: Sighting, now: number, expiresAt: number): Write {
    return { verb: 'sightAnew', ...sightingKey(what), set: { firstSeen: now, lastSeen: now, expiresAt } };
  },
};

export function sightingKey({ kind, id }: Sighting): ItemKey {
  return { key: kind, sort: id };
}
