/**
 * CloudWatch Logs of the functions: their output, in memory, the newest lines of each group. A group exists as soon
 * as the stack that names it exists, and is deleted with it or by a call.
 */
import { AwsError } from './aws-error.ts';

export interface LogEvent {
  id: string;
  /** Epoch milliseconds. */
  at: number;
  message: string;
}

export interface LogQuery {
  group: string;
  from?: number | undefined;
  to?: number | undefined;
  /** CloudWatch's filter pattern: words and "quoted phrases", all of which must occur. */
  pattern?: string | undefined;
  limit?: number | undefined;
  nextToken?: string | undefined;
}

export interface LogStore {
  append(group: string, message: string): void;
  /** The groups whose name begins with `prefix`, with the time when they were made. */
  groups(prefix: string): { name: string; createdAt: number }[];
  ensureGroup(name: string): void;
  has(name: string): boolean;
  /** @throws AwsError for a group that does not exist, like both of these */
  filter(query: LogQuery): { events: LogEvent[]; nextToken?: string };
  deleteGroup(name: string): void;
}

/** The limit for each group; the local platform is no archive. */
const MOST_EVENTS = 5_000;
/** https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html */
const MAX_PAGE = 10_000;

export function createLogStore(now: () => number): LogStore {
  const held = new Map<string, { createdAt: number; events: LogEvent[] }>();
  let sequence = 0;

  function groupOf(name: string) {
    const group = held.get(name);
    if (!group) throw new AwsError('ResourceNotFoundException', 'The specified log group does not exist.');
    return group;
  }

  function ensure(name: string) {
    const group = held.get(name) ?? { createdAt: now(), events: [] };
    held.set(name, group);
    return group;
  }

  return {
    append(group, message) {
      const { events } = ensure(group);
      sequence += 1;
      events.push({ id: String(sequence).padStart(20, '0'), at: now(), message });
      if (events.length > MOST_EVENTS) events.splice(0, events.length - MOST_EVENTS);
    },
    groups: (prefix) =>
      [...held]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, { createdAt }]) => ({ name, createdAt }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    ensureGroup: (name) => void ensure(name),
    has: (name) => held.has(name),
    filter({
      group,
      from = 0,
      to = Number.POSITIVE_INFINITY,
      pattern = '',
      limit = MAX_PAGE,
      nextToken = '',
    }) {
      const wanted = phrases(pattern);
      const matching = groupOf(group)
        .events.filter(({ at, id }) => at >= from && at <= to && id > nextToken)
        .filter(({ message }) => wanted.every((phrase) => message.includes(phrase)));
      const page = matching.slice(0, Math.min(limit, MAX_PAGE));
      const last = page.at(-1);
      return page.length < matching.length && last ? { events: page, nextToken: last.id } : { events: page };
    },
    deleteGroup(name) {
      groupOf(name);
      held.delete(name);
    },
  };
}

/**
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 * @throws AwsError for unknown parts of the language
 */
function phrases(pattern: string): string[] {
  if (/^\s*[{[%]|(^|\s)[-?]/.test(pattern)) {
    throw new AwsError(
      'InvalidParameterException',
      `The local platform does not know the pattern ${pattern}`,
    );
  }
  return [...pattern.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, word]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? word ?? '',
  );
}
