import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const POLL_MS = 1_500;

/**
 * Repeats until nothing is refused any more: a new object of IAM is not known everywhere for some seconds.
 *
 * @param refused makes the error from the last refusal and the number of seconds
 */
export async function untilAccepted(
  ask: () => Promise<unknown>,
  now: () => number,
  refused: (seconds: number, cause: unknown) => Error,
): Promise<void> {
  const until = now() + PATIENCE_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (cause) {
      if (now() >= until) throw refused(PATIENCE_MS / 1_000, cause);
      await sleep(POLL_MS);
    }
  }
}
