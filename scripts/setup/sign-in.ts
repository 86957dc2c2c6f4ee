import { isAccessItem, needsGithub } from '../../infra/cloudflare/access-rules.ts';
import { appliedChanges } from '../../infra/cloudflare/changes.ts';
import { type CloudflareAccount, cloudflareClient } from '../../infra/cloudflare/cloudflare-account.ts';
import { ensureIdentityProviders } from '../../infra/cloudflare/ensure-identity-providers.ts';
import { needing, permissions } from '../../infra/cloudflare/permissions.ts';
import { howToSwitchOnZeroTrust, readOrganization } from '../../infra/cloudflare/read-organization.ts';
import { writeSetting } from '../../infra/settings/env-file.ts';
import { parameterNames } from '../../infra/settings/settings.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { CloudflareSetup } from './cloudflare-token.ts';
import { requireDeploymentId } from './require-deployment-id.ts';

/**
 * Who may open previews, and how they sign in: a code by e-mail works at once, for everybody; GitHub is used where
 * ACCESS_ALLOW names an organisation there, and needs an OAuth App that only a person can make.
 */
export async function setUpSignIn(setup: CloudflareSetup): Promise<void> {
  const { terminal, envFile } = setup;
  terminal.heading('Sign-in');
  const account = await openAccount(setup);
  const allow = await askAllow(setup);
  await writeSetting(envFile, 'ACCESS_ALLOW', allow.join(','));
  terminal.mark('done', `May open previews: ${allow.join(', ')}`);
  const changes = appliedChanges();
  const { github } = await ensureIdentityProviders(account, { github: false }, changes);
  terminal.mark('done', changes.sentences[0] ?? 'Sign-in with a code by e-mail is switched on.');
  if (!needsGithub(allow)) return;
  if (github) terminal.mark('done', 'Sign-in with GitHub is set up.');
  else await setUpGithubSignIn(setup, account);
}

async function openAccount({ environment, parameters }: CloudflareSetup): Promise<CloudflareAccount> {
  const { CLOUDFLARE_ACCOUNT_ID, PREVIEW_ZONE_ID, CLOUDFLARE_API_URL } = environment;
  const names = parameterNames(requireDeploymentId(environment));
  const token = environment['CLOUDFLARE_API_TOKEN'] ?? (await parameters.read(names.cloudflareDeployToken));
  if (!token || !CLOUDFLARE_ACCOUNT_ID) {
    throw new OperatorError(
      'Cloudflare is not set up yet, and sign-in is made there.',
      'scripts/setup-cloudflare-token.sh comes first.',
    );
  }
  return {
    client: cloudflareClient(CLOUDFLARE_API_URL ?? 'https://api.cloudflare.com/client/v4', token),
    accountId: CLOUDFLARE_ACCOUNT_ID,
    zoneId: PREVIEW_ZONE_ID ?? '',
  };
}

async function askAllow({ terminal, environment }: CloudflareSetup): Promise<string[]> {
  const items = (text: string) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
  const problem = (text: string): string | undefined => {
    const strange = items(text).find((item) => !isAccessItem(item));
    if (strange) return `"${strange}" is none of ada@acme.dev, @acme.dev, github:acme, github:acme/web.`;
    return items(text).length === 0 ? 'Name at least one person, domain or GitHub organisation.' : undefined;
  };
  const given = environment['ACCESS_ALLOW'];
  if (given && !problem(given)) return items(given);
  const answer = await terminal.ask({
    name: 'ACCESS_ALLOW',
    text: 'Who may open previews? ada@acme.dev, @acme.dev (all of a domain), github:acme, github:acme/web (a team), separated by commas',
    check: problem,
  });
  return items(answer);
}

async function setUpGithubSignIn(
  { terminal, environment }: CloudflareSetup,
  account: CloudflareAccount,
): Promise<void> {
  const organization = await readOrganization(account);
  if (!organization) throw new OperatorError('Zero Trust is not switched on.', howToSwitchOnZeroTrust);
  const github = environment['GITHUB_URL'] ?? 'https://github.com';
  const owner = environment['GITHUB_OWNER'];
  terminal.print(
    'Sign-in with GitHub takes an OAuth App of its own (the GitHub App is something else). Make it here:',
  );
  terminal.print(`  ${github}/organizations/${owner ?? '<organisation>'}/settings/applications/new`);
  terminal.print(`  (for a person: ${github}/settings/applications/new) with`);
  terminal.print('  Application name            Previews');
  terminal.print(`  Homepage URL                https://${organization.authDomain}`);
  terminal.print(`  Authorization callback URL  https://${organization.authDomain}/cdn-cgi/access/callback`);
  terminal.print(
    'Then "Generate a new client secret". An organisation may have to approve the app before teams are seen.',
  );
  const client_id = await terminal.ask({
    name: 'GITHUB_OAUTH_CLIENT_ID',
    text: 'Client ID of the OAuth App',
    check: (answer) =>
      /^[\w.]{10,}$/.test(answer.trim()) ? undefined : 'A client ID is about 20 letters and digits.',
  });
  const client_secret = await terminal.askSecret({
    name: 'GITHUB_OAUTH_CLIENT_SECRET',
    text: 'Client secret of the OAuth App',
    check: (answer) =>
      /^\w{20,}$/.test(answer.trim()) ? undefined : 'A client secret is 40 letters and digits.',
  });
  await needing(permissions.accessOrganization, async () =>
    account.client.zeroTrust.identityProviders.create({
      account_id: account.accountId,
      name: 'GitHub',
      type: 'github',
      config: { client_id: client_id.trim(), client_secret: client_secret.trim() },
    }),
  );
  terminal.mark('done', 'Sign-in with GitHub is set up; Cloudflare keeps the secret, nothing else does.');
}
