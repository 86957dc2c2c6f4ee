import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again until there is an answer; after the time limit, the error contains the last result. */
export async function eventually<T>(
  what: string,
  seconds: number,
  look: () => Promise<{ done: T } | { seen: string }>,
): Promise<T> {
  const deadline = performance.now() + seconds * 1_000;
  let seen = 'nothing';
  while (performance.now() < deadline) {
    const answer = await look();
    if ('done' in answer) return answer.done;
    seen = answer.seen;
    await sleep(500);
  }
  throw new Error(`${what}: not within ${seconds} s; last seen: ${seen}`);
}
