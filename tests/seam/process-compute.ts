import * as v from 'valibot';
import { EphError } from '#core/failure';
import type { Compute, Sighting } from '../../lambdas/providers/compute.ts';
import type { Handle } from '../../lambdas/providers/handle.ts';
import type { ProcessCalls } from './process-cloud.ts';

/** The handle of an environment: the name of its process. */
const dataSchema = v.object({ name: v.string() });
const KIND = 'process';
const VERSION = 1;

/** An event of the cloud; it has the cloud's own name of the process, which no process can choose. */
const messageSchema = v.union([
  v.object({ process: v.string(), id: v.string(), report: v.picklist(['progress', 'result']) }),
  v.object({ process: v.string(), id: v.string(), power: v.picklist(['off', 'gone']) }),
]);

/**
 * Environments without machines: no launch that may be refused, no mailbox, no notification, no table that leads from a machine
 * to its environment. A process is found by its name, so that nothing but the name has to be kept.
 */
export function processCompute(calls: ProcessCalls, now: () => number): Compute {
  return {
    /** A process is of no type and of no architecture. */
    validate: () => [],

    async move(environment, handle, to, { attempt }) {
      if (!handle) {
        if (to !== 'running') return { handle: undefined, done: true, note: 'nothing was started' };
        // The time in the name distinguishes it from a process of an earlier life of the pull request.
        const name = `${environment}/${attempt}/${now()}`;
        return { handle: handleOf(name), saveFirst: true, done: false, note: `attempt ${attempt}` };
      }
      const name = nameOf(handle);
      switch (to) {
        case 'running':
          await calls.start(name);
          return { handle, done: true, note: name };
        case 'stopped':
          return { handle: (await calls.sleep(name)) ? handle : undefined, done: true, note: name };
        case 'none':
          await calls.remove(name);
          return { handle: undefined, done: true, note: name };
      }
    },

    async deploy(handle, spec) {
      await calls.tell(nameOf(handle), spec);
      return handle;
    },
    notify: (handle) => calls.poke(nameOf(handle)),

    async observe(handle, { power, reports }) {
      const name = nameOf(handle);
      const { progress, result } = reports.length > 0 ? await calls.report(name) : {};
      return {
        ...(power ? { power: await calls.power(name) } : {}),
        ...(reports.includes('progress') && progress ? { progress } : {}),
        ...(reports.includes('result') && result ? { result } : {}),
      };
    },

    async receive(message) {
      const parsed = v.safeParse(messageSchema, message);
      return parsed.success ? [sightingOf(parsed.output)] : undefined;
    },

    async *list() {
      for (const { name, since, running } of await calls.list()) {
        yield { id: name, what: 'process', environment: environmentOf(name), since, running };
      }
    },

    owns: (handle) => [nameOf(handle)],
    hasBegun: () => false,

    async discard({ id, running }) {
      if (running) {
        await calls.sleep(id);
        return 'stopped';
      }
      await calls.remove(id);
      return 'removed';
    },

    upgrade: (handle) => (readName(handle) === undefined ? 'unknown' : handle),
  };
}

function handleOf(name: string): Handle {
  return { kind: KIND, v: VERSION, data: { name } };
}

/** Undefined where the handle is of another cloud, or newer than this code. */
export function readName(handle: Handle | undefined): string | undefined {
  if (handle?.kind !== KIND || handle.v !== VERSION) return undefined;
  const parsed = v.safeParse(dataSchema, handle.data);
  return parsed.success ? parsed.output.name : undefined;
}

function nameOf(handle: Handle): string {
  const name = readName(handle);
  if (name !== undefined) return name;
  throw new EphError('transient', 'process_of_newer_version', 'A newer version of Eph started this process.');
}

function sightingOf(message: v.InferOutput<typeof messageSchema>): Sighting {
  const { process: unit, id: delivery } = message;
  const environment = environmentOf(unit);
  if ('report' in message) return { kind: 'report', environment, report: message.report, delivery };
  return { kind: 'power', environment, unit, power: message.power, delivery };
}

function environmentOf(name: string): string {
  return name.replace(/\/\d+\/\d+$/, '');
}
