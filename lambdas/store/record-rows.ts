import { BUILD_SECONDS, EVENT_SECONDS, ORPHAN_SIGHTING } from '#core/limits';
import type { Records } from '../ports.ts';
import { everyPage } from './every-page.ts';
import { recordWrites, type Sighting, sightingKey } from './record-writes.ts';
import type { Table } from './table.ts';

/** The name is from the time when GitHub was the only forge. */
const LOST_ACCESS = 'lost:installation';
const lost = (access: string): Sighting => ({ kind: LOST_ACCESS, id: access });
const orphan = (kind: string, id: string): Sighting => ({ kind: `orphan:${kind}`, id });

/** Builds and events over any tables: runs write them, and people, the trace and the garbage collection read them. */
export function recordRows(
  { builds, events }: { builds: Table; events: Table },
  clock: { now(): number; newId(): string },
): Records {
  const expiresIn = (seconds: number) => Math.floor(clock.now() / 1_000) + seconds;

  async function writeBuild(environment: string, generation: number, known: object): Promise<void> {
    await builds.update(recordWrites.build(environment, generation, known, expiresIn(BUILD_SECONDS)));
  }

  /** Returns since when it is seen again and again; if it was not seen for a while, it counts as new. */
  async function sight(what: Sighting, now: number): Promise<number> {
    const expiresAt = expiresIn(EVENT_SECONDS);
    const seen = await events.update(recordWrites.sightAgain(what, now, expiresAt));
    if (seen) return Number(seen['firstSeen']);
    await events.update(recordWrites.sightAnew(what, now, expiresAt));
    return now;
  }

  return {
    beginBuild: ({ environment, generation, ...rest }) =>
      writeBuild(environment, generation, { ...rest, generation, state: 'building' }),

    endBuild: writeBuild,

    async putEvents(environment, delivery, run) {
      if (run.length === 0) return;
      // The time comes first, so that the trace is one ordered query; the id after it prevents that two runs collide.
      const id = `${new Date(run[0]?.at ?? clock.now()).toISOString()}#${clock.newId()}`;
      const expiresAt = expiresIn(EVENT_SECONDS);
      await events.put({ environment, id, delivery, events: run, v: 1, expiresAt });
    },

    sightOrphan: (kind, id, now) => sight(orphan(kind, id), now),
    forgetOrphan: (kind, id) => events.delete(sightingKey(orphan(kind, id))),

    async sightLostAccess(access, now) {
      const since = await sight(lost(access), now);
      const query = { name: 'environment', value: LOST_ACCESS };
      const others = (await everyPage((from) => events.query(query, from)))
        .filter(({ id }) => id !== access)
        .filter(({ lastSeen }) => Number(lastSeen) >= now - ORPHAN_SIGHTING);
      return { since, others: others.map(({ firstSeen }) => Number(firstSeen)) };
    },

    forgetLostAccess: (access) => events.delete(sightingKey(lost(access))),
  };
}
