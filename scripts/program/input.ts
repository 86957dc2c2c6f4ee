import { nearestName } from '#core/nearest-name';
import { UsageError } from '../../infra/terminal/usage-error.ts';

/**
 * One value that a command takes: by its position (an argument), by its name (an option), or by its presence (a
 * flag).
 */
export interface Input<V> {
  is: 'argument' | 'option' | 'flag';
  /** `owner/repo`, `--since <time>`, `--follow` */
  usage: string;
  about: string;
  required: boolean;
  /** The value that is read when nothing is typed. */
  preset?: string;
  /** @param word the typed word, or a flag's name. @throws UsageError that says what is wrong with it */
  read(word: string | undefined): V;
}

/** How a word is read. `choices` are shown in the help. */
interface Kind<V> {
  choices?: readonly string[];
  read(word: string): V;
}

export function argument<V>(usage: string, about: string, kind: Kind<V>): Input<V> {
  const read = (word = '') => kind.read(word);
  return { is: 'argument', usage, about: withChoices(about, kind), required: true, read };
}

export function optionalArgument<V>(usage: string, about: string, kind: Kind<V>): Input<V | undefined> {
  const read = (word: string | undefined) => (word ? kind.read(word) : undefined);
  return { is: 'argument', usage, about: withChoices(about, kind), required: false, read };
}

export function option<V>(usage: string, about: string, kind: Kind<V>): Input<V | undefined> {
  const read = (word: string | undefined) => (word === undefined ? undefined : kind.read(word));
  return { is: 'option', usage, about: withChoices(about, kind), required: false, read };
}

/** An option that has a value even if it is not typed. */
export function presetOption<V>(usage: string, about: string, preset: string, kind: Kind<V>): Input<V> {
  const read = (word = preset) => kind.read(word);
  return { is: 'option', usage, about: withChoices(about, kind), required: false, preset, read };
}

export function flag(usage: string, about: string): Input<boolean> {
  return { is: 'flag', usage, about, required: false, read: (word) => word !== undefined };
}

function withChoices(about: string, { choices }: Kind<unknown>): string {
  return choices ? `${about}: ${choices.join(', ')}` : about;
}

export const text: Kind<string> = { read: (word) => word };

/** A list, separated by commas or blanks. */
export const list: Kind<string[]> = {
  read(word) {
    const items = word.split(/[\s,]+/).filter(Boolean);
    if (items.length > 0) return items;
    throw new UsageError(`"${word}" names nothing.`);
  },
};

export const repository: Kind<string> = looksLike(/^[\w-]+\/(?!\.{1,2}$)[\w.-]+$/, 'repository', 'acme/shop');

/** A pull request. On another forge than GitHub it has a prefix: `gitlab:acme/shop#1`. */
export const pullRequest: Kind<string> = looksLike(
  /^[\w:-]+(?:\/(?!\.{1,2}[/#])[\w.-]+)+#[1-9]\d{0,9}$/,
  'pull request',
  'acme/shop#1',
);

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration in milliseconds, not longer than a vendor's log, or a date, goes back. */
export const duration: Kind<number> = {
  read(word) {
    const [, amount, unit = ''] = /^([1-9]\d{0,3})([smhd])$/.exec(word) ?? [];
    const length = units[unit];
    if (amount && length) return Number(amount) * length;
    throw new UsageError(`"${word}" is no time.`, 'It looks like 30m, 6h or 2d.');
  },
};

export function choice<const C extends string>(...choices: readonly C[]): Kind<C> {
  return {
    choices,
    read(word) {
      const chosen = choices.find((one) => one === word);
      if (chosen !== undefined) return chosen;
      const meant = nearestName(word, choices);
      throw new UsageError(
        `"${word}" is none of ${choices.join(', ')}.`,
        meant === undefined ? undefined : `Did you mean ${meant}?`,
      );
    },
  };
}

function looksLike(pattern: RegExp, what: string, example: string): Kind<string> {
  return {
    read(word) {
      if (pattern.test(word)) return word;
      throw new UsageError(`"${word}" is no ${what}.`, `It looks like ${example}.`);
    },
  };
}
