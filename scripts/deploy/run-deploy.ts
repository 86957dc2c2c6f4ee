import { applySteps, printPlan } from '../../infra/deploy/apply-steps.ts';
import type { DeployStep } from '../../infra/deploy/deploy-step.ts';
import { deploySteps } from '../../infra/deploy/deploy-steps.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireSecrets } from '../../infra/deploy/secrets-step.ts';
import { deployedApp } from '../../infra/github/app-client.ts';
import { appIdentity, installPage } from '../../infra/github/app-page.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { introduceDeployment, printCosts } from './introduce-deployment.ts';
import { refuseOtherHome } from './refuse-other-home.ts';

export interface DeployOptions {
  /** Continue without a question: the operator asked for that, or nobody can be asked. */
  assumeYes: boolean;
  /** The smoke check at the end; undefined for none. */
  smoke: ((deployment: Deployment) => Promise<void>) | undefined;
  /** Ends the deploy after the current step. */
  stop?: AbortSignal;
  steps?: (deployment: Deployment) => DeployStep[];
}

/**
 * `make deploy`: prints the target, the changes and the costs, asks, applies the changes step by step, and runs the
 * smoke check. Nothing is changed before the answer.
 *
 * CloudFormation stops the second of two deploys at the same time, because it accepts one update of a stack at a
 * time; every other step finds out by itself what exists.
 *
 * @throws OperatorError
 */
export async function runDeploy(deployment: Deployment, options: DeployOptions): Promise<void> {
  const { terminal } = deployment;
  const steps = (options.steps ?? deploySteps)(deployment);
  await introduceDeployment(deployment);
  await refuseOtherHome(deployment);
  // Otherwise the last step that needs the secrets would fail minutes later.
  await requireSecrets(deployment);

  terminal.heading('What changes');
  const count = await printPlan(terminal, steps);
  if (count === 0) {
    terminal.print('\nEverything is as the settings say. make smoke walks through it.');
    return;
  }
  printCosts(deployment);
  if (!options.assumeYes && !(await terminal.confirm('Deploy this?', false))) {
    throw new OperatorError(
      'Nothing was changed.',
      terminal.interactive ? undefined : 'make deploy YES=1 goes on without asking.',
    );
  }

  terminal.heading('Deploying (Ctrl-C stops after the step it is at)');
  await applySteps(deployment, steps, options.stop);
  if (options.smoke) await options.smoke(deployment);
  await printWhatIsNext(deployment);
}

/** `make plan`. @returns whether a deploy would change anything */
export async function runPlan(deployment: Deployment, steps = deploySteps): Promise<boolean> {
  const { terminal } = deployment;
  await introduceDeployment(deployment);
  await refuseOtherHome(deployment);
  terminal.heading('What make deploy would change');
  const count = await printPlan(terminal, steps(deployment));
  if (count === 0) terminal.print('\nNothing: everything is as the settings say.');
  printCosts(deployment);
  return count > 0;
}

async function printWhatIsNext(deployment: Deployment): Promise<void> {
  const { settings, terminal } = deployment;
  const { REPOSITORIES } = settings;
  const { data } = await (await deployedApp(deployment)).octokit.request('GET /app');
  const install = data
    ? installPage(appIdentity(data))
    : `${settings.GITHUB_URL}/apps/${settings.GITHUB_APP_SLUG}`;
  terminal.heading('Eph is up. Three things to do next');
  terminal.print(`  1. Install the App on repositories: ${install}`);
  terminal.print(
    REPOSITORIES
      ? `  2. Open a pull request in a repository that has it (REPOSITORIES=${REPOSITORIES}); a comment with its address appears.`
      : '  2. Add an eph.yaml to a repository (or list it in REPOSITORIES) and open a pull request there.',
  );
  terminal.print(
    '  3. make setup-test-token for the end-to-end test in your CI; make doctor whenever something looks wrong.',
  );
}
