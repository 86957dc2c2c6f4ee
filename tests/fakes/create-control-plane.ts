import { createHash } from 'node:crypto';
import type { SQSEvent } from 'aws-lambda';
import type { Config } from '../../lambdas/config.ts';
import { keyedHash } from '../../lambdas/keyed-hash.ts';
import type { OperatorParameters } from '../../lambdas/operator-from.ts';
import type { LogLine, Ports } from '../../lambdas/ports.ts';
import type { Dependencies } from '../../lambdas/reconcile/run.ts';
import { type SweepTask, sweep } from '../../lambdas/sweep/sweep.ts';
import { takeBatch } from '../../lambdas/take-batch.ts';
import type { Clock } from './clock.ts';
import { forgetExpired, memoryEnvironments } from './memory-environments.ts';
import { type MemoryOperator, memoryOperator } from './memory-operator.ts';
import type { MemoryQueue, QueuedMessage } from './memory-queue.ts';
import { type MemoryRecords, memoryRecords } from './memory-records.ts';
import { type MemoryItems, memoryItems } from './memory-table.ts';
import { atOnce, reading, type Wire } from './wire.ts';

/**
 * The control plane over any providers: real decoding, real reconciler, real sweep; rows, records, queue and the
 * operator's setting in memory, and one clock that only `advance` moves. It knows no vendor.
 *
 * Gotchas
 * - `deliverAll` does what is due now; `advance` goes from event to event (messages that become visible, actors that
 *   have something to do) and stops at the given time. The schedule runs only when it is called: `sweep`.
 * - Every message is taken by a process of its own, so that a watch can let one die in the middle: the
 *   message then becomes visible again after the queue's visibility timeout, as with a Lambda that is gone.
 */
export interface ControlPlane<Provided extends Providers = Providers> {
  clock: Clock;
  config: Config;
  /** The ports of one process, unwatched. */
  ports: Ports;
  /** The stores under the ports, unwatched. */
  provided: Provided;
  rows: MemoryItems;
  records: MemoryRecords;
  operator: MemoryOperator;
  /** The secrets of applications, by repository id; of another forge by `<forge>/<repository id>`. */
  secrets: Map<number | string, Record<string, string>>;
  queue: MemoryQueue;
  /** The longest chain of runs, each begun by what the one before it sent; Lambda would end it after 16. */
  longestChain: number;
  /** The calls that left the process, as vendors name them. */
  calls: string[];
  logs: LogLine[];
  /** Is asked before every call that the code makes from now on; undefined where nothing is. */
  watch: Watch | undefined;
  forget(): void;
  startContainer(): Container;
  /** Writes a row as another version of Eph does. */
  rewrite(key: string, change: (row: Record<string, unknown>) => Record<string, unknown>): void;
  deliverAll(): Promise<void>;
  advance(ms: number): Promise<void>;
  /** True where the run ended, false where it died in the middle. */
  sweep(task: SweepTask): Promise<boolean>;
  /** Passes a message directly to the code, without the queue. */
  take(body: string): Promise<Taken>;
  /** Passes several messages in one batch, with the ids `0`, `1`, ... */
  takeAll(bodies: readonly string[]): Promise<Taken>;
}

/** Stands between the code and what it calls: it may read, wait, fail before or after the effect, or never answer. */
export type Watch = <T>(call: string, perform: () => Promise<T>) => Promise<T>;

/** A warm process: what its adapters keep, they keep for all of its runs. */
export type Container = (wire: Wire, of?: QueuedMessage) => Dependencies;

/** Where environments run, how they are reached, where pull requests live. */
export type Providers = Pick<Ports, 'compute' | 'ingress' | 'forges'>;

/** The providers of one process, whose calls may go over several wires. */
export type Connect<Provided> = (wire: Wire, operator: OperatorParameters) => Provided;

/** Something that acts by itself as time passes, such as a machine that boots. */
export interface Actor {
  /** When the next thing happens. */
  nextAt(): number | undefined;
  /** Does everything that is due. */
  act(): void;
}

interface ControlPlaneOptions<Provided> {
  config: Config;
  clock: Clock;
  queue: MemoryQueue;
  /** Milliseconds that every call takes. */
  latency?: number | undefined;
  actors: readonly Actor[];
  startProviders(log: Ports['log']): Connect<Provided>;
}

type Taken = { batchItemFailures: { itemIdentifier: string }[] } | 'died';

/** A run that takes more calls than any story needs is a loop. */
const MAX_MESSAGES = 2_000;

export function createControlPlane<Provided extends Providers>(
  options: ControlPlaneOptions<Provided>,
): ControlPlane<Provided> {
  const { config, clock, queue, actors } = options;
  const records = memoryRecords(clock.now);
  const operator = memoryOperator(clock.now);
  const secrets: ControlPlane['secrets'] = new Map();
  const rows = memoryItems(clock.now);
  const nameHash = keyedHash('name key');
  const log = (line: LogLine): void => {
    plane.logs.push(line);
  };

  function startProcess(): (wire: Wire, of?: QueuedMessage) => Dependencies & { provided: Provided } {
    const operatorOver = operator.process();
    const connect = options.startProviders(log);
    return (wire, of) => {
      const parameters = operatorOver(wire);
      const provided = connect(wire, parameters);
      const { compute, ingress, forges } = provided;
      const ports: Ports = {
        now: clock.now,
        newId: clock.newId,
        environments: memoryEnvironments(rows, wire),
        records: records.over(wire),
        compute,
        operator: { pause: parameters.pause },
        secrets: {
          of(repositoryId, forge) {
            const folder = forge === undefined ? repositoryId : `${forge}/${repositoryId}`;
            return wire(reading('ssm GetParametersByPath', folder), () => ({ ...secrets.get(folder) }));
          },
        },
        ingress,
        forges,
        jobs: queue.jobsOver(wire, of),
        log,
      };
      return { ports, config, nameHash, provided };
    };
  }
  const process = startProcess();
  const unwatched = process(atOnce);

  /** A run, whose calls are counted and watched, and a promise that resolves when it died. */
  function startRun(of?: QueuedMessage): { platform: Dependencies; died: Promise<'died'> } {
    let die: () => void = () => undefined;
    let dead = false;
    const died = new Promise<'died'>((resolve) => {
      die = () => {
        dead = true;
        resolve('died');
      };
    });
    const never = () => new Promise<never>(() => undefined);
    const wire: Wire = async (op, effect) => {
      if (dead) return never();
      plane.calls.push(op.name);
      clock.move(options.latency ?? 0);
      if (!plane.watch) return effect();
      try {
        return await plane.watch(op.name, async () => effect());
      } catch (error) {
        if (!(error instanceof Death)) throw error;
        die();
        return never();
      }
    };
    return { platform: process(wire, of), died };
  }

  async function takeBatchOf(event: SQSEvent, of?: QueuedMessage): Promise<Taken> {
    const run = startRun(of);
    return Promise.race([takeBatch(event, run.platform), run.died]);
  }
  const take = (body: string, of?: QueuedMessage) => takeBatchOf(batchOf(of?.id ?? 'direct', body), of);

  async function takeOne(message: QueuedMessage): Promise<void> {
    plane.longestChain = Math.max(plane.longestChain, message.chain + 1);
    const answer = await take(message.body, message);
    if (answer !== 'died' && answer.batchItemFailures.length === 0) queue.delete(message.id);
  }

  const plane: ControlPlane<Provided> = {
    clock,
    config,
    ports: unwatched.ports,
    provided: unwatched.provided,
    rows,
    records,
    operator,
    secrets,
    queue,
    longestChain: 0,
    calls: [],
    logs: [],
    watch: undefined,
    forget: () => forgetExpired(rows, clock.now()),
    startContainer: startProcess,
    take: (body) => take(body),
    takeAll: (bodies) =>
      takeBatchOf({ Records: bodies.flatMap((body, index) => batchOf(String(index), body).Records) }),
    rewrite(key, change) {
      const row = rows.get(key);
      if (!row) throw new Error(`there is no row ${key}`);
      rows.put(change(row));
    },

    async deliverAll() {
      for (let count = 0; count < MAX_MESSAGES; count += 1) {
        for (const actor of actors) actor.act();
        const message = queue.receive();
        if (!message) return;
        await takeOne(message);
      }
      throw new Error('the queue does not come to rest');
    },

    async advance(ms) {
      const end = clock.now() + ms;
      for (;;) {
        await plane.deliverAll();
        const next = Math.min(...[queue, ...actors].map((one) => one.nextAt() ?? Number.POSITIVE_INFINITY));
        if (next > end) break;
        clock.set(Math.max(next, clock.now()));
      }
      clock.set(Math.max(end, clock.now()));
    },

    async sweep(task) {
      const run = startRun();
      return (await Promise.race([sweep(task, run.platform), run.died])) !== 'died';
    },
  };
  return plane;
}

/** The error that a watch throws to end the process, which does nothing more after it. */
export class Death extends Error {}

export function batchOf(messageId: string, body: string): SQSEvent {
  const record = {
    messageId,
    body,
    receiptHandle: messageId,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: 'worker',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:jobs',
    awsRegion: 'us-east-1',
  };
  return { Records: [record] };
}

export function shaOf(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
