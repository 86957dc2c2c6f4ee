import * as v from 'valibot';
import { printableItem } from '../terminal/printable.ts';

const lineSchema = v.looseObject({ level: v.string(), message: v.string() });
/** Lines that Lambda itself writes around each invocation. */
const platformLine = /^(INIT_START|START|END|REPORT|EXTENSION) /;
/** Eph's own code does not log these; a stack trace of a library might. */
const secretLooking =
  /\b(gh[opsu]_\w{20,}|github_pat_\w{20,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+|(?:AKIA|ASIA)[A-Z2-7]{16})\b/g;

/**
 * One event as a line for people; undefined if it is not worth a line.
 *
 * @param pulls environments by their keys, with the names that people use
 */
export function logLine(
  { at, source, message }: { at: number; source: string; message: string },
  pulls: ReadonlyMap<string, string> = new Map(),
): string | undefined {
  const text = message.trimEnd();
  if (platformLine.test(text) && !/Status: (timeout|error)/i.test(text)) return undefined;
  const time = new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  const line = `${time}  ${source.padEnd(8)}  ${saidIn(text, pulls)}`;
  // The line is made printable first: a secret with a control character in it would not be recognised.
  return printableItem(line).replaceAll(secretLooking, '[secret]');
}

function saidIn(text: string, pulls: ReadonlyMap<string, string>): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), lineSchema), text);
  if (!parsed.success) return text;
  // The line's own time is the event's, to a few milliseconds.
  const { level, message: sentence, time: _same, environment, ...details } = parsed.output;
  const pull = typeof environment === 'string' ? (pulls.get(environment) ?? environment) : undefined;
  const shown = Object.entries({ ...(pull && { pr: pull }), ...details }).map(
    ([name, value]) => `${name}=${wordOf(value)}`,
  );
  return `${level.padEnd(5)}  ${[sentence, ...shown].join('  ')}`;
}

function wordOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
