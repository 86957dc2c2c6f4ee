import { ORPHAN_SIGHTING, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import type { Build, BuildEnd, Event, Records } from '../../lambdas/ports.ts';
import type { Hosts } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { atOnce, reading, type Wire, writing } from './wire.ts';

export interface MemoryRecords extends Records, Hosts {
  /** One process, whose calls may go over several wires: it remembers whose reports are held back. */
  process(): (wire: Wire) => Records & Hosts;
  builds(): (Build & { state: 'building' | BuildEnd['state']; finishedAt?: number })[];
  /** In the order in which runs ended. */
  trace(environment: string): (Event & { delivery: string })[];
}

interface HostRow {
  environment: string;
  since: number;
  paidUntil?: number;
  heldUntil?: number;
}

interface Kept {
  hosts: Map<string, HostRow>;
  builds: Map<string, ReturnType<MemoryRecords['builds']>[number]>;
  events: { environment: string; delivery: string; events: Event[] }[];
  sightings: Map<string, { first: number; last: number }>;
}

export function memoryRecords(): MemoryRecords {
  const kept: Kept = { hosts: new Map(), builds: new Map(), events: [], sightings: new Map() };
  const process = () => {
    const held = new Map<string, number>();
    return (wire: Wire) => recordsOver(wire, kept, held);
  };
  return {
    ...process()(atOnce),
    process,
    builds: () => [...kept.builds.values()],
    trace: (environment) =>
      kept.events
        .filter((run) => run.environment === environment)
        .flatMap(({ delivery, events: run }) => run.map((event) => ({ ...event, delivery }))),
  };
}

function recordsOver(
  wire: Wire,
  { hosts, builds, events, sightings }: Kept,
  held: Map<string, number>,
): Records & Hosts {
  const update = <T>(table: string, about: string, effect: () => T) =>
    wire(writing(`dynamodb UpdateItem ${table}`, about), effect);

  /** Pays for a look if it may be; undefined: it may not, or there is no such host. */
  const pay = (instanceId: string, mayPay: (paid: number) => boolean, now: number) =>
    update('hosts', instanceId, () => {
      const host = hosts.get(instanceId);
      const paid = host?.paidUntil ?? 0;
      if (!host || !mayPay(paid)) return undefined;
      host.paidUntil = Math.max(paid, now) + REPORT_INTERVAL;
      return host.environment;
    });

  /** The first time, and again within the time, is one write; what was not seen for a while takes a second one. */
  const sight = async (key: string, now: number): Promise<number> => {
    const first = await update('events', key, () => {
      const known = sightings.get(key);
      if (known && known.last < now - ORPHAN_SIGHTING) return undefined;
      sightings.set(key, { first: known?.first ?? now, last: now });
      return known?.first ?? now;
    });
    if (first !== undefined) return first;
    await update('events', key, () => sightings.set(key, { first: now, last: now }));
    return now;
  };
  const forget = (key: string) =>
    wire(writing('dynamodb DeleteItem events', key), () => void sightings.delete(key));

  return {
    putHost: (instanceId, environment, now) =>
      wire(writing('dynamodb PutItem hosts', instanceId), () => {
        hosts.set(instanceId, { environment, since: now });
      }),
    environmentOfHost: (instanceId) =>
      wire(reading('dynamodb GetItem hosts', instanceId), () => hosts.get(instanceId)?.environment),
    async admitReport(instanceId, now) {
      if ((held.get(instanceId) ?? 0) > now) return { kind: 'dropped' };
      const first = await pay(instanceId, (paid) => paid <= now, now);
      if (first) return { kind: 'admitted', environment: first };
      const host = await wire(reading('dynamodb GetItem hosts', instanceId), () => {
        const found = hosts.get(instanceId);
        return found && { ...found };
      });
      if (!host) return { kind: 'stranger' };
      if ((host.heldUntil ?? 0) > now) {
        held.set(instanceId, host.heldUntil ?? 0);
        return { kind: 'dropped' };
      }
      const paid = await pay(instanceId, (until) => until <= now + REPORT_BURST * REPORT_INTERVAL, now);
      if (paid) return { kind: 'admitted', environment: paid };
      return { kind: 'postponed', environment: host.environment };
    },
    async holdReports(instanceId, until) {
      held.set(instanceId, until);
      await update('hosts', instanceId, () => {
        const host = hosts.get(instanceId);
        if (host) host.heldUntil = until;
      });
    },
    forgetHost: (instanceId) =>
      wire(writing('dynamodb DeleteItem hosts', instanceId), () => void hosts.delete(instanceId)),
    hosts: () =>
      wire(reading('dynamodb Scan hosts'), () =>
        [...hosts].map(([instanceId, { environment, since }]) => ({ instanceId, environment, since })),
      ),
    beginBuild: (build) =>
      update('builds', build.environment, () => {
        const key = `${build.environment}/${build.generation}`;
        builds.set(key, { ...builds.get(key), ...build, state: 'building' });
      }),
    endBuild: (environment, generation, end) =>
      update('builds', environment, () => {
        const begun = builds.get(`${environment}/${generation}`);
        if (begun) builds.set(`${environment}/${generation}`, { ...begun, ...end });
      }),
    async putEvents(environment, delivery, run) {
      if (run.length === 0) return;
      const copy = structuredClone(run);
      await wire(writing('dynamodb PutItem events', environment), () => {
        events.push({ environment, delivery, events: copy });
      });
    },
    sightOrphan: (kind, id, now) => sight(`${kind} ${id}`, now),
    forgetOrphan: (kind, id) => forget(`${kind} ${id}`),
    forgetLostAccess: (access) => forget(`lost ${access}`),
    async sightLostAccess(access, now) {
      const since = await sight(`lost ${access}`, now);
      const others = await wire(reading('dynamodb Query events'), () =>
        [...sightings]
          .filter(([key, { last }]) => key.startsWith('lost ') && last >= now - ORPHAN_SIGHTING)
          .filter(([key]) => key !== `lost ${access}`)
          .map(([, { first }]) => first),
      );
      return { since, others };
    },
  };
}
