import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { alwaysOn, estimateCosts } from '../cost/estimate-costs.ts';

/**
 * Prints which accounts a command is going to change: this is where most mistakes are noticed.
 *
 * @throws OperatorError when the AWS credentials do not work
 */
export async function introduceDeployment({ aws, settings, terminal, envFile }: Deployment): Promise<void> {
  const { Account, Arn } = await aws.sts.send(new GetCallerIdentityCommand({}));
  terminal.heading(`Eph "${settings.DEPLOYMENT_ID}"`);
  terminal.print(`  settings    ${envFile}`);
  terminal.print(`  AWS         account ${Account}, ${settings.AWS_REGION}, as ${Arn}`);
  terminal.print(
    `  Cloudflare  zone ${settings.PREVIEW_ZONE} (previews *${settings.PREVIEW_SUFFIX}), account ${settings.CLOUDFLARE_ACCOUNT_ID}`,
  );
  terminal.print(
    `  GitHub      ${settings.GITHUB_OWNER}, App ${settings.GITHUB_APP_SLUG} (${settings.GITHUB_APP_ID})`,
  );
  if (Arn?.endsWith(':root')) {
    terminal.mark(
      'warning',
      'These are keys of the account’s root user.',
      'make setup makes a deployer identity with only the rights that Eph needs.',
    );
  }
}

/** Prints the costs in three lines; `make cost` has the table. */
export function printCosts({ settings, terminal }: Pick<Deployment, 'settings' | 'terminal'>): void {
  const costs = estimateCosts(settings);
  terminal.heading('What it costs (US dollars, before tax)');
  const { withFreeTiers, withoutFreeTiers } = costs.idle.total;
  terminal.print(`  idle     ${usd(withFreeTiers)} a month (${usd(withoutFreeTiers)} without free tiers)`);
  terminal.print(`  asleep   ${usd(costs.asleep)} a month for each preview`);
  for (const { instanceType, perHour } of costs.awake) {
    if (perHour === undefined) continue;
    terminal.print(
      `  awake    ${usd(perHour, 3)} an hour for each preview on ${instanceType} (${usd(alwaysOn(perHour))} for a whole month)`,
    );
  }
  if (costs.pricedRegion !== costs.region) {
    terminal.print(`  Prices are those of ${costs.pricedRegion}; ${costs.region} differs by some percent.`);
  }
}

function usd(amount: number, digits = 2): string {
  return `$${amount.toFixed(digits)}`;
}
