import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { Interrupted } from '../../infra/terminal/interrupted.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import { destroySteps } from '../destroy/destroy-steps.ts';
import { closePreviews } from '../destroy/environments-destroy-step.ts';
import { appFarewell } from '../destroy/github-destroy-steps.ts';
import { introduceDeployment } from './introduce-deployment.ts';
import { refuseOtherHome } from './refuse-other-home.ts';

export interface DestroyOptions {
  /** The value of CONFIRM: the deployment's id, or nothing. */
  confirm: string | undefined;
  /** Ends the run after the current step. */
  stop?: AbortSignal;
}

/**
 * `make destroy`: lists what carries the deployment's mark; with its id as confirmation it removes all of it, and
 * lists again to prove that nothing is left. It continues where an earlier run ended.
 *
 * @throws OperatorError when something is left, or the confirmation is not this deployment's id
 */
export async function runDestroy(deployment: Deployment, options: DestroyOptions): Promise<void> {
  const { terminal, settings } = deployment;
  const id = settings.DEPLOYMENT_ID;
  if (options.confirm && options.confirm !== id) {
    throw new UsageError(
      `CONFIRM is ${options.confirm}, but this deployment is ${id}. Nothing was removed.`,
      `make destroy CONFIRM=${id}; ENV=<file> names another deployment's settings.`,
    );
  }
  await introduceDeployment(deployment);
  await refuseOtherHome(deployment);
  const steps = destroySteps(deployment, { withCloudflare: await reachesCloudflare(deployment) });
  terminal.heading('What would be removed');
  const before = await printWhatIsThere(terminal, steps);
  if (before === 0) {
    terminal.mark('done', `Nothing with the mark of ${id} is left.`);
    return;
  }
  if (!(await isConfirmed(terminal, id, options.confirm))) {
    terminal.print(
      `\nNothing was removed. make destroy CONFIRM=${id} removes all of this; there is no way back.`,
    );
    return;
  }

  await closePreviews(deployment);
  // GitHub is asked while the App's key still exists. The answer is printed at the end, as the only thing that a
  // person must still do.
  const farewell = await appFarewell(deployment);
  terminal.heading('Removing');
  for (const step of steps) {
    if (options.stop?.aborted) {
      throw new Interrupted(
        `Stopped before "${step.title}".`,
        'Run the same command again: it goes on from here.',
      );
    }
    const there = await step.list();
    if (there.length === 0) {
      terminal.mark('skipped', `${step.title}: nothing there`);
      continue;
    }
    await terminal.during(step.title, (progress) => step.remove(progress));
    terminal.mark('done', `${step.title}: removed`);
    for (const item of there) terminal.print(`    ${item}`);
  }

  terminal.heading('What is left');
  const left = await printWhatIsThere(terminal, steps);
  if (left > 0) {
    throw new OperatorError(
      `${left} things with the mark of ${id} are still there (above).`,
      'Run the same command again; what a vendor still holds on to goes a minute later.',
    );
  }
  terminal.mark('done', `Nothing with the mark of ${id} is left.`);
  if (settings.AWS_DEPLOYER === 'role') {
    terminal.mark(
      'warning',
      `The role eph-${id}-deployer did this and cannot delete itself; an administrator can.`,
    );
  }
  if (farewell) terminal.mark('warning', farewell);
  terminal.print(`  ${deployment.envFile} was not touched: make deploy would begin anew after make setup.`);
}

/**
 * The token is removed with the other parameters, so a run after the last one finds none. While anything exists in
 * AWS, the run must not continue without it: the things in Cloudflare would be left, and nothing would know of them.
 */
async function reachesCloudflare({
  cloudflare,
  names,
  parameters,
  terminal,
  tools,
}: Deployment): Promise<boolean> {
  try {
    await cloudflare.token();
    return true;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const there = (await tools.stack.state()) ?? (await parameters.list(`${names.path}/`))[0];
    if (there) {
      throw new OperatorError(
        'There is no token for Cloudflare, and tunnels, records and sign-in of this deployment may be there.',
        'CLOUDFLARE_API_TOKEN=... make destroy; make setup keeps a new one.',
      );
    }
    terminal.mark(
      'warning',
      'Cloudflare is not looked at: its token is not in Parameter Store (any more).',
      'CLOUDFLARE_API_TOKEN=... make destroy looks there too.',
    );
    return false;
  }
}

async function printWhatIsThere(terminal: Terminal, steps: readonly DestroyStep[]): Promise<number> {
  const found = await terminal.during('Looking at all accounts', async (progress) => {
    const lists: { title: string; items: readonly string[] }[] = [];
    for (const { title, list } of steps) {
      if (terminal.interactive) progress(title);
      lists.push({ title, items: await list() });
    }
    return lists.filter(({ items }) => items.length > 0);
  });
  for (const { title, items } of found) {
    terminal.print(`  ${title}`);
    for (const item of items) terminal.print(`    ${item}`);
  }
  return found.reduce((sum, { items }) => sum + items.length, 0);
}

async function isConfirmed(terminal: Terminal, id: string, given: string | undefined): Promise<boolean> {
  if (given === id) return true;
  if (!terminal.interactive) return false;
  const typed = await terminal.ask({
    name: 'CONFIRM',
    text: `Type ${id} to remove all of this, or nothing to leave it`,
    preset: '',
  });
  return typed === id;
}
