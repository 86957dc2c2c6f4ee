import { GetCallerIdentityCommand, type STSClient } from '@aws-sdk/client-sts';

/** Setting of the Worker that says where its deployment is run from. */
export const HOME = 'DEPLOYED_FROM';

/**
 * Where a deployment is run from: `<account>/<region>`. At Cloudflare its things are known by the deployment's id
 * alone, so two deployments with one id, from two accounts or regions, would each take the other's things for their
 * own.
 */
export async function awsHome(sts: STSClient): Promise<string> {
  const { Account = '' } = await sts.send(new GetCallerIdentityCommand({}));
  return `${Account}/${await sts.config.region()}`;
}
