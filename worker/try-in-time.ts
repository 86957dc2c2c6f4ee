export type SendResult = { ok: true; messageId?: string } | { ok: false; problem: string };
export type Attempt = { ok: true; messageId?: string } | { ok: false; problem: string; again: boolean };

/**
 * GitHub waits 10 s for an answer and does not send again by itself, so an answer must come in time to be recorded as
 * a failure that can be redelivered. An attempt that hangs is given up early enough to try twice more; if it did
 * arrive after all, the job exists twice, which is harmless.
 */
export const sendLimits = { overallMs: 5_000, attemptMs: 1_600, attempts: 3, pauseMs: 100 };

/**
 * Tries until the job is sent, refused for good, or too late. Never throws and never waits longer than the limits
 * say.
 */
export async function tryInTime(
  whom: string,
  limits: typeof sendLimits,
  attemptToSend: (signal: AbortSignal) => Promise<Attempt>,
): Promise<SendResult> {
  const overall = AbortSignal.timeout(limits.overallMs);
  let problem = `no answer within ${limits.overallMs / 1000} s`;
  for (let attempt = 1; attempt <= limits.attempts && !overall.aborted; attempt++) {
    if (attempt > 1) await scheduler.wait(limits.pauseMs * (attempt - 1));
    const signal = AbortSignal.any([overall, AbortSignal.timeout(limits.attemptMs)]);
    const outcome = await attemptToSend(signal).catch((error: unknown): Attempt => {
      if (signal.aborted) return { ok: false, problem: `${whom} did not answer in time`, again: true };
      const reason = error instanceof Error ? error.message : String(error);
      return { ok: false, problem: `${whom} could not be reached: ${reason}`, again: true };
    });
    if (outcome.ok) return outcome;
    problem = outcome.problem;
    if (!outcome.again) break;
  }
  return { ok: false, problem };
}
