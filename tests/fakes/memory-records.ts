import * as v from 'valibot';
import type { Event, Records } from '../../lambdas/ports.ts';
import { recordRows } from '../../lambdas/store/record-rows.ts';
import { recordKey } from '../../lambdas/store/record-writes.ts';
import type { Item } from '../../lambdas/store/table.ts';
import { memoryItems, memoryTable } from './memory-table.ts';
import { atOnce, type Wire } from './wire.ts';

/** The tables of builds and events in memory, with the product's own writes. */
export interface MemoryRecords extends Records {
  over(wire: Wire): Records;
  builds(): Item[];
  /** The events in the order in which runs ended. */
  trace(environment: string): (Event & { delivery: string })[];
}

export function memoryRecords(now: () => number = () => 0): MemoryRecords {
  const builds = memoryItems(now, recordKey);
  const events = memoryItems(now, recordKey);
  let runs = 0;
  const newId = () => {
    runs += 1;
    return String(runs);
  };
  const over = (wire: Wire): Records =>
    recordRows(
      { builds: memoryTable(builds, 'builds', wire), events: memoryTable(events, 'events', wire) },
      { now, newId },
    );
  return {
    ...over(atOnce),
    over,
    builds: builds.all,
    trace: (environment) =>
      events
        .all()
        .filter((item) => item['environment'] === environment)
        .flatMap((item) => {
          const { delivery, events: run } = v.parse(runSchema, item);
          return run.map((event) => ({ ...event, delivery }));
        }),
  };
}

const eventSchema = v.object({
  at: v.number(),
  cause: v.string(),
  step: v.string(),
  outcome: v.string(),
  millis: v.number(),
});
const runSchema = v.object({ delivery: v.string(), events: v.array(eventSchema) });
