import { EphError } from '#core/failure';

export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}

/** A refusal is an answer, not an outage: no token, no permission, not found, not in this installation. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  if (status === 403) return rateLimitPause(error, 0) === undefined;
  return status === 401 || status === 404;
}

/** Undefined: GitHub refuses, whatever the reason. */
export async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    // 422: a token was asked for a repository that the installation does not have.
    if (isRefusal(error) || statusOf(error) === 422) return undefined;
    throw error;
  }
}

const RATE_LIMIT_PAUSE = 60_000;

export function asGitHubError(error: unknown, now: number): unknown {
  if (error instanceof EphError) return error;
  const status = statusOf(error);
  const code = `github_${status ?? 'unreachable'}`;
  const pause = rateLimitPause(error, now);
  if (pause !== undefined) {
    const sentence = 'GitHub asks Eph to slow down; it goes on in a moment.';
    return new EphError('transient', 'github_rate_limit', sentence, { cause: error, retryAfter: pause });
  }
  if (status !== undefined && [400, 403, 404, 410, 422].includes(status)) {
    return new EphError(
      'permanent',
      code,
      'GitHub refused this: the App may lack a permission, or it is gone.',
      {
        cause: error,
      },
    );
  }
  return new EphError('transient', code, 'GitHub did not answer as expected.', { cause: error });
}

/** Milliseconds. Primary limit: `x-ratelimit-remaining: 0`; secondary: `retry-after`, or the term in the message. */
function rateLimitPause(error: unknown, now: number): number | undefined {
  const status = statusOf(error);
  if (status !== 403 && status !== 429) return undefined;
  const headers = headersOf(error);
  const retryAfter = Number(headers['retry-after']);
  if (retryAfter > 0) return retryAfter * 1_000;
  if (headers['x-ratelimit-remaining'] === '0') {
    return Math.max(RATE_LIMIT_PAUSE, Number(headers['x-ratelimit-reset']) * 1_000 - now);
  }
  const limited = status === 429 || (error instanceof Error && /rate limit/i.test(error.message));
  return limited ? RATE_LIMIT_PAUSE : undefined;
}

function headersOf(error: unknown): Record<string, unknown> {
  if (typeof error !== 'object' || error === null || !('response' in error)) return {};
  const { response } = error;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return {};
  return typeof response.headers === 'object' && response.headers !== null ? { ...response.headers } : {};
}
