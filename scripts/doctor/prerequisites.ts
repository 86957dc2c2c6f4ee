import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { cloudflareClient } from '../../infra/cloudflare/cloudflare-account.ts';
import { verifyToken } from '../../infra/cloudflare/verify-token.ts';
import type { AwsClients } from '../../infra/deploy/aws-clients.ts';
import type { StackOutputs } from '../../infra/deploy/deploy-tools.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { once } from '../../infra/deploy/once.ts';
import { stackName } from '../../infra/settings/settings.ts';
import { NotChecked } from './check.ts';

/** Values that many checks need, found out once. All but `identity` throw NotChecked if the value does not exist. */
export interface Prerequisites {
  deployment: Deployment;
  /** @throws OperatorError of the credentials; their own check reports it */
  identity(): Promise<AwsIdentity>;
  aws(): Promise<AwsClients>;
  outputs(): Promise<StackOutputs>;
  /** The variables of the deployed deployer function. */
  functionEnvironment(): Promise<Record<string, string>>;
  /** The token for deploying, after it was checked. */
  cloudflareToken(): Promise<string>;
}

export interface AwsIdentity {
  account: string;
  arn: string;
  /** AWS' own time when it answered, epoch milliseconds; undefined if the answer did not contain it. */
  serverTime: number | undefined;
}

export function prerequisitesOf(deployment: Deployment): Prerequisites {
  const { aws, tools, cloudflare, settings } = deployment;
  const identity = once(() => identityOf(aws));
  const clients = once(() =>
    identity().then(
      () => aws,
      () => Promise.reject(new NotChecked('AWS does not let us in')),
    ),
  );
  const outputs = once(async () => {
    await clients();
    const found = await tools.stack.outputs();
    deployment.found.outputs = found;
    if (found) return found;
    throw new NotChecked(`the stack ${stackName(settings.DEPLOYMENT_ID)} is not deployed yet (make deploy)`);
  });
  return {
    deployment,
    identity,
    aws: clients,
    outputs,
    functionEnvironment: once(async () => {
      const { DeployerFunctionName: FunctionName } = await outputs();
      if (!FunctionName) throw new NotChecked('the stack was deployed by an older version (make deploy)');
      const found = await aws.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      return found.Environment?.Variables ?? {};
    }),
    cloudflareToken: once(async () => {
      const token = await cloudflare.token().catch(() => {
        throw new NotChecked('there is no token for Cloudflare (make setup)');
      });
      const client = cloudflareClient(cloudflare.apiUrl, token);
      const verified = await verifyToken(client, cloudflare.accountId);
      if (verified?.status === 'active') return token;
      throw new NotChecked('Cloudflare does not take the token for deploying');
    }),
  };
}

async function identityOf({ sts }: AwsClients): Promise<AwsIdentity> {
  let serverTime: number | undefined;
  const command = new GetCallerIdentityCommand({});
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      serverTime = dateOf(result.response);
      return result;
    },
    { step: 'deserialize', name: 'serverTime', priority: 'low' },
  );
  const { Account = '', Arn = '' } = await sts.send(command);
  return { account: Account, arn: Arn, serverTime };
}

function dateOf(response: unknown): number | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return undefined;
  const at = Date.parse(String(headers.date));
  return Number.isNaN(at) ? undefined : at;
}
