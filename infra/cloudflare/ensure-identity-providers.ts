import { OperatorError } from '../terminal/operator-error.ts';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

export interface SignInMethods {
  /** Undefined in a plan, if it does not exist yet. */
  oneTimePin: string | undefined;
  github: string | undefined;
  /** The ids of all identity providers, those of other people included. */
  all: readonly string[];
}

/**
 * The ways to sign in. They belong to the whole Zero Trust organisation, so one that exists is used, whoever made it,
 * and none is ever changed or removed. A code by mail needs nothing and is switched on; GitHub needs an OAuth App,
 * which only a person can make (`make setup`).
 *
 * @throws OperatorError where GitHub is needed and not there
 */
export function ensureIdentityProviders(
  account: CloudflareAccount,
  wanted: { github: boolean },
  changes: Changes,
): Promise<SignInMethods> {
  return needing(permissions.accessOrganization, async () => {
    const { identityProviders } = account.client.zeroTrust;
    const account_id = account.accountId;
    const found: { id: string; type: string }[] = [];
    for await (const { id, type } of identityProviders.list({ account_id })) if (id) found.push({ id, type });
    const github = found.find(({ type }) => type === 'github')?.id;
    if (wanted.github && !github) {
      throw new OperatorError(
        'ACCESS_ALLOW names a GitHub organisation, but signing in with GitHub is not set up in Cloudflare Access.',
        'make setup leads through it; until then name e-mail addresses or domains, which need only a code by mail.',
      );
    }
    const pin =
      found.find(({ type }) => type === 'onetimepin')?.id ??
      (await changes.make('Sign-in with a code by e-mail is switched on.', async () => {
        const made = await identityProviders.create({
          account_id,
          name: 'One-time PIN',
          type: 'onetimepin',
          config: {},
        });
        return made.id;
      }));
    return { oneTimePin: pin, github, all: found.map(({ id }) => id) };
  });
}
