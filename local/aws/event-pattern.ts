/**
 * Event patterns and input transformers of EventBridge rules, as far as they are used; an unknown part is refused
 * when the template is read.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
 */
import * as v from 'valibot';

export type EventPattern = { [name: string]: EventPattern | Matcher[] };
type Matcher = string | number | boolean | null | { prefix: string };

const matcherSchema = v.union([
  v.string(),
  v.number(),
  v.boolean(),
  v.null(),
  v.strictObject({ prefix: v.string() }),
]);

/** @throws Error for an unknown matcher */
export function parsePattern(value: unknown): EventPattern {
  const fields = v.parse(v.record(v.string(), v.unknown()), value);
  return Object.fromEntries(
    Object.entries(fields).map(([name, inner]) => [
      name,
      Array.isArray(inner) ? v.parse(v.array(matcherSchema), inner) : parsePattern(inner),
    ]),
  );
}

export function matchesPattern(pattern: EventPattern, event: unknown): boolean {
  return Object.entries(pattern).every(([name, inner]) => {
    const value = fieldOf(event, name);
    if (!Array.isArray(inner)) return matchesPattern(inner, value);
    const values = Array.isArray(value) ? value : [value];
    return inner.some((matcher) => values.some((one) => matches(matcher, one)));
  });
}

function matches(matcher: Matcher, value: unknown): boolean {
  if (typeof matcher !== 'object' || matcher === null) return matcher === value;
  return typeof value === 'string' && value.startsWith(matcher.prefix);
}

export interface InputTransformer {
  /** For each placeholder its path: `$.detail.state`. */
  paths: Record<string, string>;
  template: string;
}

/** A placeholder inside quotes is replaced by its text, any other by its JSON. */
export function transformInput({ paths, template }: InputTransformer, event: unknown): string {
  return template.replaceAll(/("?)<([\w-]+)>("?)/g, (_, before: string, name: string, after: string) => {
    const value = valueAt(event, paths[name] ?? '');
    const quoted = before === '"' && after === '"';
    const text = typeof value === 'string' ? value : JSON.stringify(value ?? null);
    return quoted ? JSON.stringify(text) : `${before}${JSON.stringify(value ?? null)}${after}`;
  });
}

function valueAt(event: unknown, path: string): unknown {
  return path
    .replace(/^\$\.?/, '')
    .split('.')
    .reduce((value: unknown, name) => (name === '' ? value : fieldOf(value, name)), event);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}
