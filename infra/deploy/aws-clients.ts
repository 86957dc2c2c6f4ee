import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { Environment } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import { explainCredentials } from './explain-credentials.ts';

export type AwsClients = ReturnType<typeof awsClients>;

/**
 * The operator's identity: keys or a profile of `environment`, else by the SDK's own chain (SSO, a machine's
 * role). `AWS_ENDPOINT_URL` points all of them at the local platform. Credentials that do not work are an
 * OperatorError in every call.
 *
 * @throws OperatorError when there are keys and a profile
 */
export function awsClients(region: string, environment: Environment = process.env) {
  const endpoint = environment['AWS_ENDPOINT_URL'];
  const options = {
    region,
    maxAttempts: 5,
    ...(endpoint && { endpoint }),
    ...identity(environment, { region, ...(endpoint && { endpoint }) }),
  };
  const clients = {
    cloudformation: new CloudFormationClient(options),
    dynamodb: new DynamoDBClient(options),
    ec2: new EC2Client(options),
    iam: new IAMClient(options),
    lambda: new LambdaClient(options),
    logs: new CloudWatchLogsClient(options),
    quotas: new ServiceQuotasClient(options),
    // Path style is used only with a given endpoint, because a local one has no subdomains for buckets.
    s3: new S3Client({ ...options, forcePathStyle: endpoint !== undefined }),
    sqs: new SQSClient(options),
    ssm: new SSMClient(options),
    sts: new STSClient(options),
  };
  for (const client of Object.values(clients)) explainIn(client, environment);
  return clients;
}

function identity(environment: Environment, clientConfig: { region: string; endpoint?: string }) {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = environment['AWS_SESSION_TOKEN'];
  const profile = environment['AWS_PROFILE'];
  // The local platform's keys are in its settings file, whatever profile the shell has.
  if (accessKeyId && profile && !environment['LOCAL_PLATFORM']) {
    throw new OperatorError(
      `Both AWS_ACCESS_KEY_ID and AWS_PROFILE (${profile}) are set. CDK would go by one, Packer by the other, perhaps into different accounts.`,
      'Unset one: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; or AWS_PROFILE in the settings file.',
    );
  }
  if (accessKeyId && secretAccessKey) {
    return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } };
  }
  // The SDK caches the files of ~/.aws, but make setup writes a profile and then uses it.
  return profile ? { credentials: defaultProvider({ profile, ignoreCache: true, clientConfig }) } : {};
}

/** The part of the middleware stack that all clients share; their own types differ by service. */
interface Stacked {
  middlewareStack: {
    add(
      wrap: <In, Out>(next: (args: In) => Promise<Out>) => (args: In) => Promise<Out>,
      options: { step: 'initialize'; name: string; priority: 'high' },
    ): void;
  };
}

function explainIn(client: Stacked, environment: Environment): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw explainCredentials(error, environment) ?? error;
      }
    },
    { step: 'initialize', name: 'explainCredentials', priority: 'high' },
  );
}
