import type { Happening } from './history.ts';
import type { Outcome } from './run-seed.ts';

/** The unusual events, with the calls around them; the times are seconds from the beginning. */
export function printStory({ happenings, broken }: Outcome, around = 6): string[] {
  const [first] = happenings;
  if (!first) return ['nothing happened'];
  const told = new Set<number>();
  happenings.forEach((one, index) => {
    if (one.kind === 'act' || one.kind === 'fate' || one.kind === 'broken') told.add(index);
    if (one.kind === 'effect' && one.late) told.add(index);
    if (one.kind === 'end' && one.how !== 'done') told.add(index);
  });
  for (let index = happenings.length - 1; index >= Math.max(0, happenings.length - around * 3); index -= 1) {
    told.add(index);
  }
  const lines = [...told]
    .sort((a, b) => a - b)
    .map((index) => happenings[index])
    .filter((one) => one !== undefined)
    .map((one) => `${((one.at - first.at) / 1_000).toFixed(1).padStart(9)} ${lineOf(one)}`);
  return [...lines, broken ? `BROKEN ${broken.invariant}\n       ${broken.why}` : 'all is well'];
}

function lineOf(one: Happening): string {
  switch (one.kind) {
    case 'act':
      return `* ${one.what}`;
    case 'begin':
      return `${one.run} begins (${one.of})`;
    case 'effect':
      return `${one.run} ${one.late ? 'LATE ' : ''}${one.call} ${one.about}`;
    case 'fate':
      return `${one.run} ${one.call} ${one.about}: ${one.fate}`;
    case 'end':
      return `${one.run} ends: ${one.how}`;
    case 'broken':
      return `${one.invariant}: ${one.why}`;
    default:
      throw new Error(`unhandled happening: ${JSON.stringify(one satisfies never)}`);
  }
}
