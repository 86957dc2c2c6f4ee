import { Interrupted } from '../terminal/interrupted.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';

/**
 * One step after the other, each said with what it did and how long it took. `stop` ends the run between two
 * steps: a step that was begun is let finish, so nothing is left half made.
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

/** A vendor's sentence says what went wrong, but not at what. */
function inStep(title: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new OperatorError(
    `${title}: ${said}`,
    'What is done is done: the same command goes on from there. EPH_DEBUG=1 shows where this comes from.',
    { cause: error },
  );
}

/** Says what each step would do. @returns how many sentences that were */
export async function sayPlan(terminal: Terminal, steps: readonly DeployStep[]): Promise<number> {
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
    for (const sentence of sentences) terminal.say(`    ${sentence}`);
  }
  return plans.reduce((sum, { sentences }) => sum + sentences.length, 0);
}

function seconds(millis: number): string {
  return millis < 10_000 ? `${(millis / 1000).toFixed(1)} s` : `${Math.round(millis / 1000)} s`;
}
