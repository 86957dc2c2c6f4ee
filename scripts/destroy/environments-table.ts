import { paginateListTables } from '@aws-sdk/client-dynamodb';
import type { Deployment } from '../../infra/deploy/deployment.ts';

/**
 * The stack's own table; without a stack, the table that outlived it, found by its name (see
 * `tables-destroy-step.ts`).
 */
export async function environmentsTable({ aws, settings, tools }: Deployment): Promise<string | undefined> {
  const names: string[] = [];
  const prefix = `eph-${settings.DEPLOYMENT_ID}-TablesEnvironments`;
  for await (const page of paginateListTables({ client: aws.dynamodb }, {})) {
    names.push(...(page.TableNames ?? []).filter((name) => name.startsWith(prefix)));
  }
  const named = (await tools.stack.outputs())?.['EnvironmentsTable'];
  return names.find((name) => name === named) ?? names[0];
}
