/**
 * A backtracking matcher for the regular expressions that the agent uses, which counts its steps: a pattern that
 * is slow on some text is found by arithmetic, not by a clock. It looks for a match as V8 does, from each place of
 * the text, and tries alternatives in the same order.
 */
type Next = (at: number) => boolean;
type Matcher = (at: number, next: Next) => boolean;

export function countSteps(pattern: RegExp, text: string): { steps: number; matched: boolean } {
  let steps = 0;
  const { source } = pattern;
  const flags = pattern.flags.replace('m', '');
  const multiline = pattern.flags.includes('m');
  let read = 0;

  function alternatives(): Matcher {
    const found = [sequence()];
    while (source[read] === '|') {
      read++;
      found.push(sequence());
    }
    return (at, next) => found.some((matcher) => matcher(at, next));
  }

  function sequence(): Matcher {
    const terms: Matcher[] = [];
    while (read < source.length && source[read] !== '|' && source[read] !== ')') terms.push(term());
    return terms.reduceRight<Matcher>(
      (rest, first) => (at, next) => first(at, (after) => rest(after, next)),
      (at, next) => next(at),
    );
  }

  function term(): Matcher {
    const one = atom();
    const [quantifier = '', least, most] =
      /^(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??/.exec(source.slice(read)) ?? [];
    if (quantifier === '') return one;
    read += quantifier.length;
    const min = quantifier[0] === '{' ? Number(least) : quantifier[0] === '+' ? 1 : 0;
    const max =
      quantifier[0] === '?' ? 1 : quantifier[0] === '{' && most !== '' ? Number(most ?? least) : Infinity;
    const lazy = quantifier.length > 1 && quantifier.endsWith('?');
    const repeat = (times: number, at: number, next: Next): boolean => {
      const again = () =>
        times < max && one(at, (after) => (after > at || times < min) && repeat(times + 1, after, next));
      if (times < min) return again();
      return lazy ? next(at) || again() : again() || next(at);
    };
    return (at, next) => repeat(0, at, next);
  }

  function atom(): Matcher {
    const rest = source.slice(read);
    const group = /^\((?:\?(<?[=!]|:))?/.exec(rest);
    if (group) return grouped(group[0], group[1] ?? '');
    if (rest[0] === '^') return place(1, (at) => at === 0 || (multiline && text[at - 1] === '\n'));
    if (rest[0] === '$') return place(1, (at) => at === text.length || (multiline && text[at] === '\n'));
    if (rest.startsWith('\\b'))
      return place(2, (at) => /\w/.test(text[at - 1] ?? '') !== /\w/.test(text[at] ?? ''));
    const character = /^(?:\[(?:\\.|[^\]\\])*\]|\\.|.)/.exec(rest)?.[0] ?? '';
    read += character.length;
    const is = new RegExp(`^${character}$`, flags);
    return (at, next) => {
      steps++;
      return at < text.length && is.test(text[at] ?? '') && next(at + 1);
    };
  }

  function place(length: number, holds: (at: number) => boolean): Matcher {
    read += length;
    return (at, next) => {
      steps++;
      return holds(at) && next(at);
    };
  }

  function grouped(opening: string, kind: string): Matcher {
    read += opening.length;
    const inner = alternatives();
    read++;
    const ends = () => true;
    switch (kind) {
      case '=':
        return (at, next) => inner(at, ends) && next(at);
      case '!':
        return (at, next) => !inner(at, ends) && next(at);
      // It matches a single character, as all of ours do.
      case '<=':
        return (at, next) => at > 0 && inner(at - 1, ends) && next(at);
      case '<!':
        return (at, next) => !(at > 0 && inner(at - 1, ends)) && next(at);
      default:
        return inner;
    }
  }

  const whole = alternatives();
  for (let at = 0; at <= text.length; at++) if (whole(at, () => true)) return { steps, matched: true };
  return { steps, matched: false };
}
