/**
 * EventBridge rules: rules with a schedule fire by themselves (rate or cron, UTC), or now on request; rules with a
 * pattern fire at each event that matches.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
 *
 * AWS invokes asynchronously and tries a failed invocation twice more; here a failure is reported once, the
 * next firing is the retry.
 */
import { randomUUID } from 'node:crypto';
import { matchesPattern, transformInput } from './event-pattern.ts';
import type { InvocationResult } from './lambda-runtime.ts';
import type { RuleDescription, RuleTarget } from './template-functions.ts';

/** An event that a service of AWS publishes. */
export interface ServiceEvent {
  source: string;
  detailType: string;
  resources: string[];
  detail: object;
}

export interface Schedule {
  /** Fires a rule now. @throws Error for a rule the template does not have */
  run(nameOrLogicalId: string): Promise<InvocationResult[]>;
  /** Sends it to the rules whose pattern it matches. */
  publish(event: ServiceEvent): Promise<void>;
  close(): void;
}

export interface ScheduleOptions {
  rules: readonly RuleDescription[];
  now: () => number;
  region: string;
  accountId: string;
  invoke(functionName: string, event: unknown): Promise<InvocationResult>;
  send(queueName: string, body: string): Promise<void>;
  log(line: string): void;
  /** If false, rules fire only on request. */
  automatic: boolean;
}

/** setTimeout accepts no longer time. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function startSchedule(options: ScheduleOptions): Schedule {
  const timers = new Map<string, NodeJS.Timeout>();

  function envelope({ source, detailType, resources, detail }: ServiceEvent): object {
    return {
      version: '0',
      id: randomUUID(),
      'detail-type': detailType,
      source,
      account: options.accountId,
      time: new Date(options.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      region: options.region,
      resources,
      detail,
    };
  }

  /** Returns the answer of a function; a queue answers nothing. */
  async function deliver(target: RuleTarget, event: object): Promise<InvocationResult[]> {
    const { service, name, input, transformer } = target;
    const text = transformer ? transformInput(transformer, event) : (input ?? JSON.stringify(event));
    if (service === 'lambda') return [await options.invoke(name, JSON.parse(text))];
    await options.send(name, text);
    return [];
  }

  async function fire(rule: RuleDescription): Promise<InvocationResult[]> {
    const event = envelope({
      source: 'aws.events',
      detailType: 'Scheduled Event',
      resources: [rule.arn],
      detail: {},
    });
    return (await Promise.all(rule.targets.map((target) => deliver(target, event)))).flat();
  }

  function arm(rule: RuleDescription, expression: string): void {
    const wait = nextFiring(expression, options.now()) - options.now();
    const timer = setTimeout(
      async () => {
        const results = await fire(rule).catch((error: unknown) => {
          options.log(`${rule.name}: ${String(error)}`);
          return [];
        });
        for (const result of results) {
          if (!result.ok) options.log(`${rule.name}: ${result.errorType}: ${result.errorMessage}`);
        }
        if (timers.has(rule.name)) arm(rule, expression);
      },
      Math.min(wait, MAX_TIMER_MS),
    );
    timers.set(rule.name, timer.unref());
  }

  for (const rule of options.rules) {
    if (rule.schedule === undefined) continue;
    // This is also done for rules that never fire here: an invalid expression is an error now, not later.
    nextFiring(rule.schedule, options.now());
    if (options.automatic && rule.enabled) arm(rule, rule.schedule);
  }

  return {
    run(nameOrLogicalId) {
      const rule = options.rules.find(
        ({ name, logicalId }) => name === nameOrLogicalId || logicalId === nameOrLogicalId,
      );
      if (!rule) throw new Error(`the template has no rule ${nameOrLogicalId}`);
      return fire(rule);
    },
    async publish(event) {
      const full = envelope(event);
      const rules = options.rules.filter(
        ({ pattern, enabled }) => enabled && pattern !== undefined && matchesPattern(pattern, full),
      );
      await Promise.all(rules.flatMap(({ targets }) => targets.map((target) => deliver(target, full))));
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

const MINUTE = 60_000;
const units: Record<string, number> = { minute: MINUTE, hour: 60 * MINUTE, day: 24 * 60 * MINUTE };

/**
 * Epoch milliseconds of the next firing after `now`.
 * @throws Error for an expression that EventBridge or this platform does not accept
 */
export function nextFiring(expression: string, now: number): number {
  const [, amount, unit, plural] = /^rate\((\d+) (minute|hour|day)(s?)\)$/.exec(expression) ?? [];
  const period = units[unit ?? ''];
  if (period !== undefined && amount !== undefined) {
    // EventBridge requires the correct singular or plural.
    if ((amount === '1') === (plural === 's')) throw new Error(`not a schedule expression: ${expression}`);
    return now + Number(amount) * period;
  }
  const [, fields] = /^cron\((.+)\)$/.exec(expression) ?? [];
  if (!fields) throw new Error(`not a schedule expression: ${expression}`);
  return nextCron(fields.split(/\s+/), now, expression);
}

function nextCron(fields: string[], now: number, expression: string): number {
  const [minute, hour, dayOfMonth, month, dayOfWeek, year] = fields;
  const anyDay = [dayOfMonth, month, dayOfWeek, year].every((field) => field === '*' || field === '?');
  if (fields.length !== 6 || !minute || !hour || !anyDay) {
    throw new Error(`${expression}: the local platform knows cron by minute and hour only`);
  }
  const minutes = cronValues(minute, 60, expression);
  const hours = cronValues(hour, 24, expression);
  let at = Math.floor(now / MINUTE) * MINUTE + MINUTE;
  while (!minutes.has(new Date(at).getUTCMinutes()) || !hours.has(new Date(at).getUTCHours())) at += MINUTE;
  return at;
}

/** `*`, `5`, `0,30`, `0/15`, or `*` with a step. */
function cronValues(field: string, size: number, expression: string): Set<number> {
  const all = Array.from({ length: size }, (_, value) => value);
  const values = field.split(',').flatMap((part) => {
    const [, start, step] = /^(\*|\d+)(?:\/(\d+))?$/.exec(part) ?? [];
    if (start === undefined) throw new Error(`${expression}: the local platform does not know ${part}`);
    const from = start === '*' ? 0 : Number(start);
    if (step !== undefined)
      return all.filter((value) => value >= from && (value - from) % Number(step) === 0);
    return start === '*' ? all : [from];
  });
  return new Set(values);
}
