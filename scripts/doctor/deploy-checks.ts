import type { DeployStep } from '../../infra/deploy/deploy-step.ts';
import { deploySteps } from '../../infra/deploy/deploy-steps.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { type Check, good, NotChecked, type Verdict, warning } from './check.ts';
import type { Prerequisites } from './prerequisites.ts';

/** Sentences that are shown; a whole new stack has more. */
const MOST_SENTENCES = 6;

/**
 * Each step of a deploy knows by itself what it would change: Access and its allow list, the stack, the image and its
 * inputs, the Worker's version, routes, the webhook's address. They run in their order, since later ones use results
 * of earlier ones.
 */
export function deployChecks(known: Prerequisites, steps = deploySteps): Check[] {
  return [
    {
      group: 'What make deploy would change',
      title: 'Compared with this checkout and the settings',
      async run() {
        await known.outputs();
        await known.cloudflareToken().catch((error: Error) => {
          throw new NotChecked(error.message);
        });
        const verdicts: Verdict[] = [];
        for (const step of steps(known.deployment)) verdicts.push(await verdictOf(step));
        return verdicts;
      },
    },
  ];
}

async function verdictOf(step: DeployStep): Promise<Verdict> {
  let sentences: readonly string[];
  try {
    sentences = await step.plan();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const fix = error instanceof OperatorError ? error.fix : undefined;
    return warning(`${step.title}: could not be compared. ${said}`, fix ?? 'Run this again in a minute.');
  }
  if (sentences.length === 0) return good(`${step.title}: as it should be`);
  const shown = sentences.slice(0, MOST_SENTENCES);
  const more = sentences.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map((line) => `\n    ${line}`).join('');
  return warning(
    `${step.title}: differs from what is deployed${list}`,
    'make plan shows all of it, make deploy brings it about.',
  );
}
