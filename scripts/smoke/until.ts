import type { SmokeContext, SmokeDeadlines } from './smoke-context.ts';

const POLL_MS = 2_000;

export function deadline({ deployment, deadlines }: SmokeContext, kind: keyof SmokeDeadlines): number {
  return deployment.now() + deadlines[kind];
}

/** Asks until `look` finds something. Undefined after the time limit. @throws the signal's reason */
export async function until<Found>(
  { deployment, sleep }: SmokeContext,
  end: number,
  stop: AbortSignal,
  look: () => Promise<Found | undefined>,
): Promise<Found | undefined> {
  for (;;) {
    stop.throwIfAborted();
    const found = await look();
    if (found !== undefined || deployment.now() >= end) return found;
    await sleep(POLL_MS);
  }
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
