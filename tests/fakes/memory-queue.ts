import { encodeJob } from '#core/job';
import { MAX_DELAYED_WAKE } from '#core/limits';
import type { Jobs } from '../../lambdas/ports.ts';

export interface QueuedMessage {
  id: string;
  body: string;
  visibleAt: number;
  receives: number;
}

export interface MemoryQueue {
  jobs: Jobs;
  push(body: string, delay?: number): void;
  /** The oldest message that may be received now; it is out of sight until it is deleted or its time is over. */
  receive(): QueuedMessage | undefined;
  delete(id: string): void;
  /** When the next message comes into sight. */
  nextAt(): number | undefined;
  messages(): readonly QueuedMessage[];
  deadLetters(): readonly string[];
}

/** Six times the function's timeout, and five tries: `infra/job-queue.ts`. */
const VISIBILITY_TIMEOUT = 360_000;
const MAX_RECEIVES = 5;

/** A standard queue with its dead letters, delays in whole seconds as SQS has them. */
export function memoryQueue(clock: { now(): number; newId(): string }): MemoryQueue {
  let messages: QueuedMessage[] = [];
  let deadLetters: string[] = [];
  const push = (body: string, delay = 0): void => {
    const seconds = Math.ceil(Math.min(delay, MAX_DELAYED_WAKE) / 1_000);
    messages.push({ id: clock.newId(), body, visibleAt: clock.now() + seconds * 1_000, receives: 0 });
  };
  const inSight = () =>
    messages.filter((one) => one.visibleAt <= clock.now()).sort((a, b) => a.visibleAt - b.visibleAt);
  return {
    jobs: {
      send: async (job, delay) => push(encodeJob(job), delay),
      async sendAll(jobs) {
        for (const job of jobs) push(encodeJob(job));
      },
      async drainDeadLetters(handle) {
        const batch = deadLetters.slice(0, 10);
        for (const body of batch) {
          await handle(body);
          deadLetters = deadLetters.filter((one) => one !== body);
        }
        return batch.length;
      },
    },
    push,
    receive() {
      for (const message of inSight()) {
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
    nextAt: () => (messages.length === 0 ? undefined : Math.min(...messages.map((one) => one.visibleAt))),
    messages: () => messages,
    deadLetters: () => deadLetters,
  };
}
