import { ORPHAN_SIGHTING, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import type { Build, BuildEnd, Event, Records } from '../../lambdas/ports.ts';

export interface MemoryRecords extends Records {
  builds(): (Build & { state: 'building' | BuildEnd['state']; finishedAt?: number })[];
  /** In the order in which runs ended. */
  trace(environment: string): (Event & { delivery: string })[];
}

export function memoryRecords(): MemoryRecords {
  const hosts = new Map<
    string,
    { environment: string; since: number; paidUntil?: number; heldUntil?: number }
  >();
  const builds = new Map<string, ReturnType<MemoryRecords['builds']>[number]>();
  const events: { environment: string; delivery: string; events: Event[] }[] = [];
  const sightings = new Map<string, { first: number; last: number }>();
  const sight = (key: string, now: number): number => {
    const known = sightings.get(key);
    const first = known && known.last >= now - ORPHAN_SIGHTING ? known.first : now;
    sightings.set(key, { first, last: now });
    return first;
  };
  return {
    async putHost(instanceId, environment, now) {
      hosts.set(instanceId, { environment, since: now });
    },
    environmentOfHost: async (instanceId) => hosts.get(instanceId)?.environment,
    async admitReport(instanceId, now) {
      const host = hosts.get(instanceId);
      if (!host) return { kind: 'stranger' };
      if ((host.heldUntil ?? 0) > now) return { kind: 'dropped' };
      const paid = host.paidUntil ?? 0;
      if (paid > now + REPORT_BURST * REPORT_INTERVAL) {
        return { kind: 'postponed', environment: host.environment };
      }
      host.paidUntil = Math.max(paid, now) + REPORT_INTERVAL;
      return { kind: 'admitted', environment: host.environment };
    },
    async holdReports(instanceId, until) {
      const host = hosts.get(instanceId);
      if (host) host.heldUntil = until;
    },
    async forgetHost(instanceId) {
      hosts.delete(instanceId);
    },
    hosts: async () =>
      [...hosts].map(([instanceId, { environment, since }]) => ({ instanceId, environment, since })),
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
    sightOrphan: async (kind, id, now) => sight(`${kind} ${id}`, now),
    async forgetOrphan(kind, id) {
      sightings.delete(`${kind} ${id}`);
    },
    async forgetLostAccess(access) {
      sightings.delete(`lost ${access}`);
    },
    async sightLostAccess(access, now) {
      const since = sight(`lost ${access}`, now);
      const others = [...sightings]
        .filter(([key, { last }]) => key.startsWith('lost ') && last >= now - ORPHAN_SIGHTING)
        .filter(([key]) => key !== `lost ${access}`)
        .map(([, { first }]) => first);
      return { since, others };
    },
    builds: () => [...builds.values()],
    trace: (environment) =>
      events
        .filter((run) => run.environment === environment)
        .flatMap(({ delivery, events: run }) => run.map((event) => ({ ...event, delivery }))),
  };
}
