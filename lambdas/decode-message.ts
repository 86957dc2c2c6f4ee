import { decodeJob, type Job } from '#core/job';
import type { Compute, Sighting } from './providers/compute.ts';

/** What comes out of the queue: one of our jobs, or a vendor's message about a host. */
export type Decoded =
  | { kind: 'job'; job: Job }
  | { kind: 'sightings'; sightings: Sighting[] }
  | { kind: 'malformed'; problem: string };

export async function decodeMessage(body: string, compute: Pick<Compute, 'receive'>): Promise<Decoded> {
  const sightings = await compute.receive(parse(body));
  if (sightings) return { kind: 'sightings', sightings };
  const decoded = decodeJob(body);
  return decoded.ok ? { kind: 'job', job: decoded.job } : { kind: 'malformed', problem: decoded.problem };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
