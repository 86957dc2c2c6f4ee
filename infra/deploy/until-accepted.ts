import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const POLL_MS = 1_500;

/**
 * Asks until nothing is refused any more: what IAM has just made is not known everywhere for seconds.
 *
 * @param refused makes the error of what was refused last, and for how many seconds
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
