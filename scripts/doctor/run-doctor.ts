import type { Deployment } from '../../infra/deploy/deployment.ts';
import { openDeployment } from '../../infra/deploy/open-deployment.ts';
import { deployedApp, openOctokit } from '../../infra/github/app-client.ts';
import { checkApp, checkDeployedApp } from '../../infra/github/check-app.ts';
import { type Environment, envFileOf, readEnvFile } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { awsChecks } from './aws-checks.ts';
import { bad, type Check, good, type Verdict } from './check.ts';
import { cloudflareChecks } from './cloudflare-checks.ts';
import { deployChecks } from './deploy-checks.ts';
import { machineChecks } from './machine-checks.ts';
import { type Prerequisites, prerequisitesOf } from './prerequisites.ts';
import { runChecks } from './run-checks.ts';
import { runningChecks } from './running-checks.ts';
import { stackChecks } from './stack-checks.ts';

/**
 * `make doctor`: checks everything that can be wrong, and prints a fix for each problem. It changes nothing, and
 * works at any time: with an incomplete settings file, before the first deploy, after the last.
 *
 * @returns the number of problems
 */
export async function runDoctor(
  terminal: Terminal,
  environment: Environment,
  open: (terminal: Terminal, environment: Environment) => Promise<Deployment> = openDeployment,
): Promise<number> {
  const envFile = envFileOf(environment);
  const given = await readEnvFile(envFile, environment);
  const opened = await open(terminal, environment).catch((error: unknown) => {
    if (error instanceof OperatorError) return error;
    throw error;
  });
  const settings: Check = {
    group: 'This machine',
    title: 'Settings',
    run: async () => settingsVerdict(opened, envFile),
  };
  const checks = [settings, ...machineChecks(given)];
  if (opened instanceof OperatorError) {
    const wrong = await runChecks(terminal, checks);
    terminal.print('The rest is not checked, because the settings are not complete.');
    return wrong;
  }
  return runChecks(terminal, [...checks, ...checksOf(opened)]);
}

export function checksOf(deployment: Deployment): Check[] {
  const known = prerequisitesOf(deployment);
  const github: Check = {
    group: 'GitHub',
    title: 'App',
    run: () => checkGithub(known),
  };
  return [
    ...awsChecks(known),
    ...stackChecks(known),
    ...cloudflareChecks(known),
    github,
    ...runningChecks(known),
    ...deployChecks(known),
  ];
}

/** Before a deploy the App delivers nowhere, which is right. */
async function checkGithub({ aws, outputs, deployment }: Prerequisites): Promise<Verdict[]> {
  await aws();
  const deployed = await outputs().then(
    () => true,
    () => false,
  );
  if (deployed) return checkDeployedApp(deployment);
  const { settings, now } = deployment;
  const stranger = new (openOctokit(settings.GITHUB_API_URL))();
  return checkApp({ app: await deployedApp(deployment), stranger, githubUrl: settings.GITHUB_URL, now });
}

function settingsVerdict(opened: Deployment | OperatorError, envFile: string): Verdict {
  if (opened instanceof OperatorError) return bad(opened.message, opened.fix ?? 'make setup');
  return good(`${envFile} is complete: deployment ${opened.settings.DEPLOYMENT_ID}`);
}
