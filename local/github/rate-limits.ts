import { GithubError } from './github-error.ts';

export interface RateLimitSettings {
  /** Requests per hour and caller; 5,000 for an installation with up to 20 repositories. */
  requestsPerHour: number;
  /** POST, PATCH, PUT and DELETE in a repository, per minute and per hour. */
  contentPerMinute: number;
  contentPerHour: number;
  /** A read costs 1 point, a write 5. */
  pointsPerMinute: number;
  /** Whether people's tokens are limited as well, as on GitHub. A load test sends all requests as one person. */
  people: boolean;
}

/** docs.github.com, "Rate limits for the REST API" (2026-11). */
export const githubRateLimits: RateLimitSettings = {
  requestsPerHour: 5000,
  contentPerMinute: 80,
  contentPerHour: 500,
  pointsPerMinute: 900,
  people: true,
};

interface Usage {
  windowEnds: number;
  used: number;
  /** Times of writes in the last hour, oldest first. */
  writes: number[];
  /** Time and cost in the last minute, oldest first. */
  points: { at: number; cost: number }[];
}

export interface Quota {
  limit: number;
  remaining: number;
  used: number;
  /** Epoch seconds. */
  reset: number;
}

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Primary limit: a fixed window of an hour. Secondary limits: sliding windows. Per caller. */
export function createRateLimits(settings: RateLimitSettings, now: () => number) {
  const usages = new Map<string, Usage>();

  const usageOf = (caller: string): Usage => {
    const at = now();
    let usage = usages.get(caller);
    if (!usage || usage.windowEnds <= at) {
      usage = { windowEnds: at + HOUR, used: 0, writes: usage?.writes ?? [], points: usage?.points ?? [] };
      usages.set(caller, usage);
    }
    usage.writes = usage.writes.filter((write) => write > at - HOUR);
    usage.points = usage.points.filter((point) => point.at > at - MINUTE);
    return usage;
  };

  const refuse = (oldest: number, window: number): GithubError =>
    new GithubError(
      403,
      'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
      { headers: { 'retry-after': String(Math.max(1, Math.ceil((oldest + window - now()) / 1000))) } },
    );

  const quota = (caller: string): Quota => {
    const { used, windowEnds } = usageOf(caller);
    const limit = settings.requestsPerHour;
    return { limit, used, remaining: Math.max(0, limit - used), reset: Math.ceil(windowEnds / 1000) };
  };

  return {
    settings,
    quota,

    /** @throws 403 with `retry-after` (secondary limit), 403 with no requests remaining (primary). */
    spend(caller: string, writes: boolean): void {
      const at = now();
      const usage = usageOf(caller);
      if (usage.used >= settings.requestsPerHour) {
        throw new GithubError(403, `API rate limit exceeded for ${caller}.`);
      }
      usage.used += 1;
      const lastMinute = usage.writes.filter((write) => write > at - MINUTE);
      if (writes && lastMinute.length >= settings.contentPerMinute) throw refuse(lastMinute[0] ?? at, MINUTE);
      if (writes && usage.writes.length >= settings.contentPerHour) throw refuse(usage.writes[0] ?? at, HOUR);
      const cost = writes ? 5 : 1;
      const spent = usage.points.reduce((sum, point) => sum + point.cost, 0);
      if (spent + cost > settings.pointsPerMinute) throw refuse(usage.points[0]?.at ?? at, MINUTE);
      usage.points.push({ at, cost });
      if (writes) usage.writes.push(at);
    },
  };
}
