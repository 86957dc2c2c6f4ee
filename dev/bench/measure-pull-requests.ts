import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, inSeconds, percentile } from './figures.ts';
import { type BenchPlatform, type SeenEntry, startBenchPlatform } from './start-bench-platform.ts';

/**
 * What the control plane itself adds between a webhook and what people wait for: many pull requests at once
 * are opened (every function cold), pushed to in one `git push`, closed, and as many others opened (warm).
 *
 * Measured from the sending of the webhook to the reply of the call that makes the thing true, from the wire log.
 * Vendors and machines answer at once, so boot, pull, build and app are not in it; the stand-ins' own work is,
 * all of it in one process. Up to 10 functions, which at Lambda have a processor each, share what this
 * machine has. GitHub's rate limits are off; what they would allow is the last line of `measure-calls.ts`.
 */
interface PullRequestTimes {
  number: number;
  webhookAt: number;
  seen: Map<Milestone, number>;
}

type Milestone = 'machine' | 'spec' | 'comment' | 'result' | 'status' | 'unreachable';
type Action = 'opened' | 'synchronize' | 'closed';

interface Wave {
  times: PullRequestTimes[];
  /** This process' CPU during the wave, which is that of the stand-ins and not of the product; milliseconds. */
  standIns: number;
  lasted: number;
}

/** The time limit of a wave; a milestone that comes later counts as never. */
const patienceMs = (count: number) => 30_000 + 1_000 * count;

export async function measurePullRequests(cache: string, count: number): Promise<Figure[]> {
  const names = (prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
  const [cold, warm] = [names('cold'), names('warm')];
  const branches = [...cold, ...warm];
  const platform = await startBenchPlatform({ cache, pauseMs: 0, limits: false, branches });
  try {
    const wave = createWaves(platform);
    const opened = await wave(
      'opened',
      count,
      ['machine', 'spec', 'comment', 'result', 'status'],
      async () => {
        await Promise.all(cold.map(platform.openPullRequest));
      },
    );
    const numbers = opened.times.map(({ number }) => number);
    const pushed = await wave('synchronize', count, ['spec', 'result', 'status'], () =>
      platform.pushAll(cold),
    );
    const closed = await wave('closed', count, ['unreachable', 'comment'], async () => {
      await Promise.all(numbers.map(platform.closePullRequest));
    });
    const openedWarm = await wave(
      'opened',
      count,
      ['machine', 'spec', 'comment', 'result', 'status'],
      async () => {
        await Promise.all(warm.map(platform.openPullRequest));
      },
    );
    return [
      ...openedFigures(`${count} opened at once, cold`, opened),
      ...openedFigures(`${count} opened at once, warm`, openedWarm),
      line(`${count} pushed at once: to deployment spec written`, pushed.times, 'spec'),
      line(`${count} pushed at once: to status success`, pushed.times, 'status'),
      line(`${count} closed at once: to address gone`, closed.times, 'unreachable'),
      line(`${count} closed at once: to comment says so`, closed.times, 'comment'),
    ];
  } catch (error) {
    for (const problem of platform.problems.slice(-10)) console.error(problem);
    throw error;
  } finally {
    await platform.close();
  }
}

function openedFigures(what: string, { times, standIns, lasted }: Wave): Figure[] {
  const values = durations(times, 'status');
  const arrived = values.every(Number.isFinite);
  const met = arrived && percentile(values, 50) <= 2_000 && percentile(values, 95) <= 4_000;
  return [
    line(`${what}: to machine launched`, times, 'machine'),
    line(`${what}: to deployment spec written`, times, 'spec'),
    line(`${what}: to comment posted`, times, 'comment'),
    line(`${what}: host's result to status success`, times, 'status', 'result'),
    { ...line(`${what}: webhook to status success`, times, 'status'), bar: 'p50 <= 2 s, p95 <= 4 s', met },
    {
      what: "  CPU of the stand-ins' one process in that time",
      measured: `${inSeconds(standIns)} of ${inSeconds(lasted)}`,
      bar: '',
    },
  ];
}

function line(what: string, times: readonly PullRequestTimes[], to: Milestone, from?: Milestone): Figure {
  const values = durations(times, to, from);
  const never = values.filter((value) => !Number.isFinite(value)).length;
  const lost = never > 0 ? ` (${never} of ${values.length} never)` : '';
  return {
    what: `${what}, p50 / p95`,
    measured: `${inSeconds(percentile(values, 50))} / ${inSeconds(percentile(values, 95))}${lost}`,
    bar: '',
  };
}

function durations(times: readonly PullRequestTimes[], to: Milestone, from?: Milestone): number[] {
  return times.map(({ webhookAt, seen }) => {
    const begin = from ? seen.get(from) : webhookAt;
    return (seen.get(to) ?? Number.POSITIVE_INFINITY) - (begin ?? webhookAt);
  });
}

/** Runs one wave: it does the action, waits until each pull request has met every milestone, and reads the times. */
function createWaves(platform: BenchPlatform) {
  return async (
    action: Action,
    count: number,
    milestones: readonly Milestone[],
    act: () => Promise<void>,
  ): Promise<Wave> => {
    const from = platform.wire.length;
    // The stand-in's git is busy with the action; the measurement begins when all of it is done.
    platform.github.faults.webhooks.next({ event: 'pull_request', action, times: count, how: 'hold' });
    await act();
    const [cpu, began] = [process.cpuUsage(), Date.now()];
    await platform.github.faults.webhooks.release('forward');
    const deadline = performance.now() + patienceMs(count);
    for (;;) {
      const times = read(platform.wire, from, action);
      const done = times.filter(({ seen }) => milestones.every((milestone) => seen.has(milestone)));
      if (done.length === count || performance.now() > deadline) {
        const { user, system } = process.cpuUsage(cpu);
        return { times, standIns: (user + system) / 1_000, lasted: Date.now() - began };
      }
      await sleep(50);
    }
  };
}

function read(wire: readonly SeenEntry[], from: number, action: Action): PullRequestTimes[] {
  const times = new Map<number, PullRequestTimes>();
  const index = indexOf(wire);
  for (const entry of wire.slice(from)) {
    const number = webhookOf(entry, action);
    if (number !== undefined) times.set(number, { number, webhookAt: entry.t, seen: new Map() });
  }
  for (const entry of wire.slice(from)) {
    const found = milestoneOf(entry, index);
    const of = found && times.get(found.number);
    if (!found || !of || entry.at < of.webhookAt || entry.status >= 300) continue;
    // For a comment or a deployment spec the first one counts; for records the last, when no name is left.
    if (found.milestone === 'unreachable' || !of.seen.has(found.milestone)) {
      of.seen.set(found.milestone, entry.at);
    }
  }
  return [...times.values()];
}

/** Which pull request a thing belongs to, learned from the calls that made it. */
interface Index {
  shas: Map<string, number>;
  records: Map<string, number>;
  machines: Map<string, number>;
  comments: Map<string, number>;
}

function indexOf(wire: readonly SeenEntry[]): Index {
  const index: Index = { shas: new Map(), records: new Map(), machines: new Map(), comments: new Map() };
  for (const { peer, method, path, request, reply } of wire) {
    if (method === 'POST' && /\/dns_records$/.test(path)) {
      const number = /-(\d+)-pr\./.exec(text(request, 'name'))?.[1];
      index.records.set(text(reply, 'result', 'id'), Number(number));
    } else if (method === 'PUT' && /\/next\.json$/.test(path)) {
      index.machines.set(instanceIn(path), Number(text(request, 'number')));
      index.shas.set(text(request, 'source', 'sha'), Number(text(request, 'number')));
    } else if (peer === 'github' && method === 'POST' && /\/issues\/\d+\/comments$/.test(path)) {
      index.comments.set(text(reply, 'id'), Number(/\/issues\/(\d+)\//.exec(path)?.[1]));
    }
  }
  return index;
}

function webhookOf({ peer, request }: SeenEntry, action: Action): number | undefined {
  if (peer !== 'worker') return undefined;
  const payload: unknown = typeof request === 'string' ? JSON.parse(request) : request;
  return text(payload, 'action') === action ? Number(text(payload, 'number')) : undefined;
}

function milestoneOf(entry: SeenEntry, index: Index): { number: number; milestone: Milestone } | undefined {
  const { peer, method, path, request } = entry;
  const at = (milestone: Milestone, number: number | undefined) =>
    number === undefined ? undefined : { number, milestone };
  switch (`${peer} ${method}`) {
    case 'ec2 POST':
      if (text(request, 'Action') !== 'RunInstances') return undefined;
      return at('machine', Number(/^eph-\d+-(\d+)-/.exec(text(request, 'ClientToken'))?.[1]));
    case 's3 PUT':
      if (path.endsWith('/next.json')) return at('spec', Number(text(request, 'number')));
      return path.endsWith('/result.json') ? at('result', index.machines.get(instanceIn(path))) : undefined;
    case 'github POST': {
      const sha = /\/statuses\/([0-9a-f]{40})$/.exec(path)?.[1];
      if (sha && text(request, 'state') === 'success') return at('status', index.shas.get(sha));
      const issue = /\/issues\/(\d+)\/comments$/.exec(path)?.[1];
      return issue ? at('comment', Number(issue)) : undefined;
    }
    case 'github PATCH':
      return at('comment', index.comments.get(/\/issues\/comments\/(\d+)$/.exec(path)?.[1] ?? ''));
    case 'cloudflare DELETE':
      return at('unreachable', index.records.get(/\/dns_records\/([^/]+)$/.exec(path)?.[1] ?? ''));
    default:
      return undefined;
  }
}

function instanceIn(path: string): string {
  return /(i-[0-9a-f]+)\/[^/]+$/.exec(path)?.[1] ?? '';
}

/** A value of a body, as text; empty if it is missing. */
export function text(body: unknown, ...keys: string[]): string {
  let value = body;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null) return '';
    value = Object.entries(value).find(([name]) => name === key)?.[1];
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
