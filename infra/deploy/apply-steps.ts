import { Interrupted } from '../terminal/interrupted.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';

/**
 * Runs one step after the other, and prints for each what it did and how long it took. `stop` ends the run between
 * two steps: a step that has begun is allowed to finish, so that nothing is left incomplete.
 *
 * @throws Interrupted when stopped; what a step throws
 */
export async function applySteps(
  { terminal, now }: Pick<Deployment, 'terminal' | 'now'>,
  steps: readonly DeployStep[],
  stop?: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    if (stop?.aborted) {
      throw new Interrupted(
        `Stopped before "${step.title}". Everything before it is done.`,
        'Run the same command again: it goes on from here.',
      );
    }
    const startedAt = now();
    const outcome = await terminal
      .during(step.title, (progress) => step.apply(progress))
      .catch((error: unknown) => {
        throw inStep(step.title, error);
      });
    terminal.mark('done', `${step.title}: ${outcome} (${seconds(now() - startedAt)})`);
  }
}

/** Adds the step's name: a vendor's message says what went wrong, but not in which step. */
function inStep(title: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new OperatorError(
    `${title}: ${said}`,
    'What is done is done: the same command goes on from there. EPH_DEBUG=1 shows where this comes from.',
    { cause: error },
  );
}

/** Prints what each step would do. @returns the number of sentences */
export async function printPlan(terminal: Terminal, steps: readonly DeployStep[]): Promise<number> {
  const plans = await terminal.during('Comparing with what is there', async (progress) => {
    const found: { title: string; sentences: readonly string[] }[] = [];
    for (const step of steps) {
      if (terminal.interactive) progress(step.title);
      found.push({ title: step.title, sentences: await step.plan() });
    }
    return found;
  });
  for (const { title, sentences } of plans) {
    if (sentences.length === 0) terminal.mark('skipped', `${title}: nothing to change`);
    else terminal.mark('planned', title);
    for (const sentence of sentences) terminal.print(`    ${sentence}`);
  }
  return plans.reduce((sum, { sentences }) => sum + sentences.length, 0);
}

function seconds(millis: number): string {
  return millis < 10_000 ? `${(millis / 1000).toFixed(1)} s` : `${Math.round(millis / 1000)} s`;
}
