import { type Environment, envFileOf } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';

/** Names of errors of the SDK and AWS that mean: these credentials do not work. */
const noCredentials = ['CredentialsProviderError', 'CredentialsError', 'AccessDeniedSSO'];
const expired = [
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'TokenProviderError',
  'UnauthorizedException',
  'SSOTokenProviderFailure',
];
const wrong = [
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'AuthFailure',
  'InvalidAccessKeyId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
];

/**
 * The deployment whose deployer AWS names (`eph-<id>-deployer`, see `setup/aws-credentials.ts`) in "User:
 * arn:aws:sts::...".
 */
function deployerOf(message: string): string | undefined {
  return /:assumed-role\/eph-([a-z0-9-]+)-deployer\//.exec(message)?.[1];
}

/** AWS only says that this role may not use that name; this adds that the two belong to different deployments. */
function ofAnother(other: string, id: string, environment: Environment, cause: Error): OperatorError {
  return new OperatorError(
    `DEPLOYMENT_ID is ${id}, but these AWS credentials are of the deployer of deployment "${other}", which may not touch anything else.`,
    `DEPLOYMENT_ID=${other} in ${envFileOf(environment)}, if that is the one you mean; otherwise AWS_PROFILE=<the deployer of ${id}>, which make setup makes.`,
    { cause },
  );
}

const refused = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation'];

/**
 * The sentence for credentials that are missing, expired, wrong or without the right, and for a region that does not
 * exist, whatever call failed first; undefined for every other error. Without it the SDK says "Could not load
 * credentials from any providers".
 */
export function explainCredentials(error: unknown, environment: Environment): OperatorError | undefined {
  if (!(error instanceof Error)) return undefined;
  const profile = environment['AWS_PROFILE'];
  const login = profile ? `aws sso login --profile ${profile}` : 'aws sso login';
  const overByText = /expired|sso session|token.*(refresh|invalid)/i.test(error.message);
  if (expired.includes(error.name) || (noCredentials.includes(error.name) && overByText)) {
    return new OperatorError(
      `The AWS session${profile ? ` of profile ${profile}` : ''} is over.`,
      `${login}, then run the same command again.`,
      { cause: error },
    );
  }
  if (noCredentials.includes(error.name)) {
    return new OperatorError(
      profile ? `Profile ${profile} has no AWS credentials.` : 'There are no AWS credentials here.',
      `${profile ? login : 'Set AWS_PROFILE in .env and sign in (aws sso login --profile <name>)'}; or make setup, which can make a deployer identity.`,
      { cause: error },
    );
  }
  if (wrong.includes(error.name)) {
    return new OperatorError(
      `AWS does not accept these credentials (${error.name}).`,
      profile
        ? `Look at profile ${profile} in ~/.aws, or ${login}.`
        : 'Look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and at the clock of this machine.',
      { cause: error },
    );
  }
  if ('code' in error && error.code === 'ENOTFOUND') {
    return new OperatorError(
      `${error.message}: AWS has no such address.`,
      'Look at AWS_REGION, and at the network of this machine.',
      { cause: error },
    );
  }
  if (refused.includes(error.name)) {
    const other = deployerOf(error.message);
    const id = environment['DEPLOYMENT_ID'];
    if (other !== undefined && id !== undefined && other !== id)
      return ofAnother(other, id, environment, error);
    return new OperatorError(
      error.message.slice(0, 400),
      `An administrator can give the right. If it is the deployer role that lacks it: AWS_PROFILE=<administrator> make setup gives it the rights of this version.`,
      { cause: error },
    );
  }
  return undefined;
}
