import { spellings } from './spellings.ts';

/**
 * The agent's log: one JSON line per event on stdout (the console of the machine), and the story of the
 * running deployment as plain lines, the end of which goes to the mailbox.
 *
 * Gotchas
 * - Build output may print anything. Every secret the agent has been given is struck out of both, by value and as
 *   it looks encoded (`spellings.ts`); what it was not given it cannot know.
 * - Strike out first, cut afterwards: half of a secret is not found any more.
 */
export interface Log {
  event(message: string, fields?: Record<string, string | number | boolean | undefined>): void;
  /** A line of the deployment's story; also kept for `log.txt`. */
  line(text: string): void;
  /** Forgets the last deployment's story and puts `delivery` on every line from here. */
  begin(delivery: string): void;
  /** Strikes these values out from now on. Those that are `tooShort` are left: `1` or `true` are words. */
  hide(secrets: readonly string[]): void;
  redact(text: string): string;
  /** The kept lines, and a number that grows with each new one. */
  tail(): { text: string; version: number };
}

/** What a person reads of a build that failed; the mailbox object stays small. */
const KEEP_CHARACTERS = 128 * 1024;
const MAX_LINE = 2_000;
const MIN_SECRET = 6;

/** Names of secrets that cannot be struck out; people are told. */
export function tooShort(secrets: Readonly<Record<string, string>>): string[] {
  return Object.keys(secrets).filter((name) => {
    const { length } = secrets[name] ?? '';
    return length > 0 && length < MIN_SECRET;
  });
}

export function createLog(write: (line: string) => void, now: () => number): Log {
  const secrets = new Set<string>();
  /** A secret that is the beginning of another would leave the end of that one. */
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

/** A key in PEM, a JSON document: output comes line by line. */
function withItsLines(value: string): string[] {
  const lines = value.split(/\r?\n/);
  return lines.length > 1 ? [value, ...lines.map((line) => line.trim())] : [value];
}
