import { DeleteLogGroupCommand, paginateDescribeLogGroups } from '@aws-sdk/client-cloudwatch-logs';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';

/** The stack's log groups are deleted with it, but a function that runs once more after that makes its group again. */
export function logGroupsDestroyStep({ aws, settings }: Deployment): DestroyStep {
  const prefixes = [`eph-${settings.DEPLOYMENT_ID}-`, `/aws/lambda/eph-${settings.DEPLOYMENT_ID}-`];

  async function groups(): Promise<string[]> {
    const found: string[] = [];
    for (const logGroupNamePrefix of prefixes) {
      for await (const page of paginateDescribeLogGroups({ client: aws.logs }, { logGroupNamePrefix })) {
        for (const { logGroupName } of page.logGroups ?? []) {
          // As with tables: a capital letter follows our id, or the group belongs to another deployment.
          if (logGroupName && /^[A-Z]/.test(logGroupName.slice(logGroupNamePrefix.length)))
            found.push(logGroupName);
        }
      }
    }
    return found;
  }

  return {
    title: 'Log groups',
    list: groups,
    async remove(progress) {
      for (const logGroupName of await groups()) {
        progress(logGroupName);
        await aws.logs.send(new DeleteLogGroupCommand({ logGroupName }));
      }
    },
  };
}
