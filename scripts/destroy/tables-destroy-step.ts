import { DeleteTableCommand, paginateListTables, waitUntilTableNotExists } from '@aws-sdk/client-dynamodb';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';

/**
 * The environments' table outlives its stack on purpose, since it is the only list of machines and tunnels; at this
 * step there are none left. The step also finds tables that earlier stacks of this deployment left.
 *
 * The tables are recognised by name: ids of deployments have no capital letter, and CloudFormation puts one after our
 * id, so a deployment `a` never matches the tables of a deployment `a-b`.
 */
export function tablesDestroyStep({ aws, settings }: Deployment): DestroyStep {
  const ours = new RegExp(`^eph-${settings.DEPLOYMENT_ID}-Tables[A-Z]`);

  async function tables(): Promise<string[]> {
    const found: string[] = [];
    for await (const page of paginateListTables({ client: aws.dynamodb }, {})) {
      found.push(...(page.TableNames ?? []).filter((name) => ours.test(name)));
    }
    return found;
  }

  return {
    title: 'Tables',
    list: tables,
    async remove(progress) {
      for (const TableName of await tables()) {
        progress(TableName);
        await aws.dynamodb.send(new DeleteTableCommand({ TableName }));
        await waitUntilTableNotExists({ client: aws.dynamodb, maxWaitTime: 300, minDelay: 1 }, { TableName });
      }
    },
  };
}
