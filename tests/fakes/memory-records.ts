import { ORPHAN_SIGHTING } from '#core/limits';
import type { Build, BuildEnd, Event, Records } from '../../lambdas/ports.ts';

export interface MemoryRecords extends Records {
  builds(): (Build & { state: 'building' | BuildEnd['state']; finishedAt?: number })[];
  /** In the order in which runs ended. */
  trace(environment: string): (Event & { delivery: string })[];
}

export function memoryRecords(): MemoryRecords {
  const hosts = new Map<string, { environment: string; since: number }>();
  const builds = new Map<string, ReturnType<MemoryRecords['builds']>[number]>();
  const events: { environment: string; delivery: string; events: Event[] }[] = [];
  const orphans = new Map<string, { first: number; last: number }>();
  return {
    async putHost(instanceId, environment, now) {
      hosts.set(instanceId, { environment, since: now });
    },
    environmentOfHost: async (instanceId) => hosts.get(instanceId)?.environment,
    async forgetHost(instanceId) {
      hosts.delete(instanceId);
    },
    hosts: async () => [...hosts].map(([instanceId, host]) => ({ instanceId, ...host })),
    async beginBuild(build) {
      const key = `${build.environment}/${build.generation}`;
      builds.set(key, { ...builds.get(key), ...build, state: 'building' });
    },
    async endBuild(environment, generation, end) {
      const begun = builds.get(`${environment}/${generation}`);
      if (begun) builds.set(`${environment}/${generation}`, { ...begun, ...end });
    },
    async putEvents(environment, delivery, run) {
      if (run.length > 0) events.push({ environment, delivery, events: structuredClone(run) });
    },
    async sightOrphan(kind, id, now) {
      const key = `${kind} ${id}`;
      const known = orphans.get(key);
      const first = known && known.last >= now - ORPHAN_SIGHTING ? known.first : now;
      orphans.set(key, { first, last: now });
      return first;
    },
    async forgetOrphan(kind, id) {
      orphans.delete(`${kind} ${id}`);
    },
    builds: () => [...builds.values()],
    trace: (environment) =>
      events
        .filter((run) => run.environment === environment)
        .flatMap(({ delivery, events: run }) => run.map((event) => ({ ...event, delivery }))),
  };
}
