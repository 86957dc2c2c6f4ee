import { paginateListTables } from '@aws-sdk/client-dynamodb';
import type { Deployment } from './deployment.ts';

/** By name, so that it is found when its stack is gone too; see `tables-destroy-step.ts`. */
export async function environmentsTable({ aws, settings }: Deployment): Promise<string | undefined> {
  const prefix = `eph-${settings.DEPLOYMENT_ID}-TablesEnvironments`;
  for await (const page of paginateListTables({ client: aws.dynamodb }, {})) {
    const found = page.TableNames?.find((name) => name.startsWith(prefix));
    if (found) return found;
  }
  return undefined;
}
