import { CreateOpenIDConnectProviderCommand, type IAMClient } from '@aws-sdk/client-iam';

const ISSUER = 'token.actions.githubusercontent.com';
const AUDIENCE = 'sts.amazonaws.com';

/**
 * Who may become the deployer: the identities that the account's own policies allow, and, if a repository is named,
 * the jobs of its environment `production` (`.github/workflows/deploy.yml`), which GitHub identifies. No other jobs:
 * the subject names repository and environment, and the repository's settings say who may use that environment.
 *
 * GitHub writes the subject in one of two ways, by the age of the repository; in the newer one each name is followed
 * by @ and a number, and no name contains an @.
 * https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
 */
export function deployerTrust(
  { partition, account }: { partition: string; account: string },
  repository: string | undefined,
) {
  const ofAccount = {
    Effect: 'Allow',
    Principal: { AWS: `arn:${partition}:iam::${account}:root` },
    Action: 'sts:AssumeRole',
  };
  if (repository === undefined) return { Version: '2012-10-17', Statement: [ofAccount] };
  const [owner, name] = repository.split('/');
  const ofJobs = {
    Effect: 'Allow',
    Principal: { Federated: `arn:${partition}:iam::${account}:oidc-provider/${ISSUER}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: { [`${ISSUER}:aud`]: AUDIENCE },
      StringLike: {
        [`${ISSUER}:sub`]: [
          `repo:${owner}/${name}:environment:production`,
          `repo:${owner}@*/${name}@*:environment:production`,
        ],
      },
    },
  };
  return { Version: '2012-10-17', Statement: [ofAccount, ofJobs] };
}

/** One provider serves the whole account, also for others' roles; so it stays when the deployment is destroyed. */
export async function ensureGithubProvider(iam: IAMClient): Promise<void> {
  try {
    await iam.send(
      new CreateOpenIDConnectProviderCommand({ Url: `https://${ISSUER}`, ClientIDList: [AUDIENCE] }),
    );
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'EntityAlreadyExistsException') throw error;
  }
}
