import type { Row, Source } from '#core/environment';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { dynamoEnvironments } from '../../lambdas/adapters/dynamo-environments.ts';
import { environmentsTable } from '../destroy/environments-table.ts';

/** All environments, also those that are gone but still have a row. @throws OperatorError if nothing is deployed */
export async function allEnvironments(deployment: Deployment): Promise<Row[]> {
  await requireOutputs(deployment);
  const table = await environmentsTable(deployment);
  return table ? (await dynamoEnvironments(deployment.aws.dynamodb, table).all()).rows : [];
}

/** The name that people use, `acme/shop#1`: the key, with the repository’s name instead of its number. */
export function pullOf({ key, source }: { key: string; source: Pick<Source, 'owner' | 'name'> }): string {
  return key.replace(/\d+/, () => `${source.owner}/${source.name}`);
}

/**
 * The environment of a pull request.
 *
 * @param pull `owner/repo#1`, in upper or lower case
 * @throws OperatorError for one that Eph does not know
 */
export function findEnvironment(rows: readonly Row[], pull: string): Row {
  const row = rows.find((one) => pullOf(one).toLowerCase() === pull.toLowerCase());
  if (row) return row;
  throw new OperatorError(
    `Eph knows no pull request ${pull}.`,
    'make doctor looks at the webhook; make logs without PR=... shows everything.',
  );
}
