import { spellings } from './spellings.ts';

/**
 * The agent's log: one JSON line per event on stdout (the console of the machine), and the log of the running
 * deployment as plain lines, the end of which goes to the mailbox.
 *
 * Gotchas
 * - Build output may print anything. Every secret that the agent was given is removed from both, by value and in its
 *   encoded forms (`spellings.ts`); the agent cannot recognise a secret that it was not given.
 * - Secrets are removed first and lines are cut afterwards: half of a secret would not be found.
 */
export interface Log {
  event(message: string, fields?: Record<string, string | number | boolean | undefined>): void;
  /** Adds a line to the deployment's log; it is also kept for `log.txt`. */
  line(text: string): void;
  /** Forgets the last deployment's log and puts `delivery` on every line from here. */
  begin(delivery: string): void;
  /** Removes these values from now on. Those that are `tooShort` are not removed: `1` or `true` are words. */
  hide(secrets: readonly string[]): void;
  redact(text: string): string;
  /** The kept lines, and a number that grows with each new one. */
  tail(): { text: string; version: number };
}

/** As much as a person reads of a build that failed; the mailbox object stays small. */
const KEEP_CHARACTERS = 128 * 1024;
const MAX_LINE = 2_000;
const MIN_SECRET = 6;

/** Names of secrets that are too short to be removed; people are told. */
export function tooShort(secrets: Readonly<Record<string, string>>): string[] {
  return Object.keys(secrets).filter((name) => {
    const { length } = secrets[name] ?? '';
    return length > 0 && length < MIN_SECRET;
  });
}

export function createLog(write: (line: string) => void, now: () => number): Log {
  const secrets = new Set<string>();
  /** If a secret is the beginning of another, removing it first would leave the end of the other one. */
  let longestFirst: readonly string[] = [];
  let delivery: string | undefined;
  let lines: string[] = [];
  let characters = 0;
  let version = 0;

  const redact = (text: string) => {
    let clean = text;
    for (const secret of longestFirst) clean = clean.replaceAll(secret, '***');
    return clean;
  };
  const emit = (message: string, fields: Record<string, unknown>) => {
    write(redact(JSON.stringify({ time: new Date(now()).toISOString(), message, delivery, ...fields })));
  };
  return {
    event: (message, fields = {}) => emit(message, fields),
    line(text) {
      const clean = redact(text).slice(0, MAX_LINE);
      emit(clean, { log: true });
      lines.push(clean);
      characters += clean.length + 1;
      version++;
      while (characters > KEEP_CHARACTERS && lines.length > 1) characters -= (lines.shift() ?? '').length + 1;
    },
    begin(next) {
      delivery = next;
      lines = [];
      characters = 0;
      version++;
    },
    hide(values) {
      for (const value of values.flatMap(withItsLines)) {
        if (value.length < MIN_SECRET) continue;
        for (const spelling of spellings(value)) secrets.add(spelling);
      }
      longestFirst = [...secrets].sort((a, b) => b.length - a.length);
    },
    redact,
    tail: () => ({ text: lines.map((line) => `${line}\n`).join(''), version }),
  };
}

/** A key in PEM or a JSON document has several lines, and output comes line by line. */
function withItsLines(value: string): string[] {
  const lines = value.split(/\r?\n/);
  return lines.length > 1 ? [value, ...lines.map((line) => line.trim())] : [value];
}
