import { encodeJob, type Job } from '#core/job';
import { MAX_DELAYED_WAKE } from '#core/limits';
import type { Jobs } from '../../lambdas/ports.ts';
import { reading, type Wire, writing } from './wire.ts';

export interface QueuedMessage {
  id: string;
  body: string;
  visibleAt: number;
  receives: number;
  /** How many runs led to this message, each by what the one before it sent, which Lambda counts as one chain. */
  chain: number;
}

export interface MemoryQueue {
  /** The messages that are sent over this wire were caused by that message, if any. */
  jobsOver(wire: Wire, of?: QueuedMessage): Jobs;
  push(body: string, delay?: number): void;
  /** The oldest message that may be received now, or any; it is invisible until it is deleted or its time is over. */
  receive(choose?: (count: number) => number): QueuedMessage | undefined;
  delete(id: string): void;
  /** When the next message becomes visible. */
  nextAt(): number | undefined;
  messages(): readonly QueuedMessage[];
  deadLetters(): readonly string[];
}

/** Six times the function's timeout, and five tries: `infra/stack/job-queue.ts`. */
const VISIBILITY_TIMEOUT = 360_000;
const MAX_RECEIVES = 5;
const BATCH = 10;

/** A standard queue with its dead letters, delays in whole seconds as SQS has them. */
export function memoryQueue(clock: { now(): number; newId(): string }): MemoryQueue {
  let messages: QueuedMessage[] = [];
  let deadLetters: string[] = [];
  const add = (body: string, delay: number, chain: number): void => {
    const seconds = Math.ceil(Math.min(delay, MAX_DELAYED_WAKE) / 1_000);
    messages.push({ id: clock.newId(), body, visibleAt: clock.now() + seconds * 1_000, receives: 0, chain });
  };
  const inSight = () =>
    messages.filter((one) => one.visibleAt <= clock.now()).sort((a, b) => a.visibleAt - b.visibleAt);
  return {
    jobsOver(wire, of) {
      const chain = of ? of.chain + 1 : 0;
      return {
        send: (job, delay = 0) => {
          const body = encodeJob(job);
          return wire(writing('sqs SendMessage', aboutOf(job)), () => add(body, delay, chain));
        },
        async sendAll(jobs) {
          for (let from = 0; from < jobs.length; from += BATCH) {
            const batch = jobs.slice(from, from + BATCH).map(encodeJob);
            await wire(writing('sqs SendMessageBatch'), () => {
              for (const body of batch) add(body, 0, chain);
            });
          }
        },
        async drainDeadLetters(handle) {
          const batch = await wire(reading('sqs ReceiveMessage'), () => deadLetters.slice(0, BATCH));
          for (const body of batch) {
            await handle(body);
            await wire(writing('sqs DeleteMessage'), () => {
              deadLetters = deadLetters.filter((one) => one !== body);
            });
          }
          return batch.length;
        },
      };
    },
    // A message from outside (GitHub, S3, EC2) begins a chain, also in the middle of a run.
    push: (body, delay = 0) => add(body, delay, 0),
    receive(choose) {
      const waiting = inSight();
      if (choose && waiting.length > 1) waiting.unshift(...waiting.splice(choose(waiting.length), 1));
      for (const message of waiting) {
        if (message.receives < MAX_RECEIVES) {
          message.receives += 1;
          message.visibleAt = clock.now() + VISIBILITY_TIMEOUT;
          return message;
        }
        messages = messages.filter((one) => one !== message);
        deadLetters.push(message.body);
      }
      return undefined;
    },
    delete(id) {
      messages = messages.filter((one) => one.id !== id);
    },
    nextAt() {
      let next: number | undefined;
      for (const { visibleAt } of messages) if (next === undefined || visibleAt < next) next = visibleAt;
      return next;
    },
    messages: () => messages,
    deadLetters: () => deadLetters,
  };
}

function aboutOf(job: Job): string {
  return job.kind === 'wake' ? job.environment : job.kind;
}
