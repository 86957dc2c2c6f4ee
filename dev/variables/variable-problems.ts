import { nearestName } from '#core/nearest-name';

export interface Typed {
  name: string;
  value: string;
}

/** The variables that `make` and its commands know. */
export interface Known {
  variables: readonly string[];
  /** Of those, the ones whose value is 1 or nothing. */
  flags: readonly string[];
  settings: readonly string[];
}

/** A sentence for each variable that was typed behind `make` and that no program would read as it was meant. */
export function variableProblems(typed: readonly Typed[], known: Known): string[] {
  return typed.flatMap(({ name, value }) => {
    if (known.flags.includes(name)) {
      return ['', '0', '1'].includes(value) ? [] : [`${name}=${value}: ${name} is 1, or 0, or left out.`];
    }
    const names = [...known.variables, ...known.settings];
    if (names.includes(name)) return [];
    const meant = nearestName(name, names);
    return [`There is no variable ${name}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`];
  });
}
