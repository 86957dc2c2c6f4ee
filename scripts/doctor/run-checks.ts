import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { type Check, checkGroups, NotChecked, type Verdict } from './check.ts';

/**
 * Makes all checks at once and prints what each found, by group.
 *
 * @returns the number of problems
 */
export async function runChecks(terminal: Terminal, checks: readonly Check[]): Promise<number> {
  let done = 0;
  const found = await terminal.during('Looking at everything', (progress) =>
    Promise.all(
      checks.map(async (check) => {
        const verdicts = await verdictsOf(check);
        done += 1;
        progress(`${done} of ${checks.length}`);
        return { group: check.group, verdicts };
      }),
    ),
  );
  for (const group of checkGroups) {
    const verdicts = found.filter((one) => one.group === group).flatMap((one) => one.verdicts);
    if (verdicts.length === 0) continue;
    terminal.heading(group);
    for (const { outcome, text, fix } of verdicts) terminal.mark(outcome, text, fix);
  }
  const all = found.flatMap(({ verdicts }) => verdicts);
  const count = (outcome: Verdict['outcome']) => all.filter((verdict) => verdict.outcome === outcome).length;
  terminal.print(`\n${summary(count('failed'), count('warning'), count('skipped'))}`);
  return count('failed');
}

async function verdictsOf({ title, run }: Check): Promise<readonly Verdict[]> {
  try {
    return [await run()].flat();
  } catch (error) {
    if (error instanceof NotChecked) {
      return [{ outcome: 'skipped', text: `${title}: not checked, because ${error.message}` }];
    }
    const message = error instanceof Error ? error.message : String(error);
    const fix = error instanceof OperatorError ? error.fix : undefined;
    return [{ outcome: 'failed', text: `${title}: ${message}`, ...(fix === undefined ? {} : { fix }) }];
  }
}

function summary(failed: number, warnings: number, skipped: number): string {
  const parts = [
    failed === 0 ? 'Nothing is wrong' : `${failed} ${failed === 1 ? 'thing is' : 'things are'} wrong`,
    ...(warnings === 0 ? [] : [`${warnings} to think about`]),
    ...(skipped === 0 ? [] : [`${skipped} not checked`]),
  ];
  return `${parts.join(', ')}.`;
}
