import * as v from 'valibot';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

export interface ServiceToken {
  id: string;
  clientId: string;
  clientSecret: string;
}

/** Where the secret is kept: Cloudflare shows it only once. */
export interface ServiceTokenStore {
  read(): Promise<string | undefined>;
  write(json: string): Promise<void>;
}

const stored = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ id: v.string(), clientId: v.string(), clientSecret: v.string() }),
);

/** @returns undefined if the text is no service token */
export function parseServiceToken(json: string | undefined): ServiceToken | undefined {
  const parsed = v.safeParse(stored, json);
  return parsed.success ? parsed.output : undefined;
}

/**
 * The token with which programs (smoke check, end-to-end test) pass Access. It does not expire: otherwise a pipeline
 * would break a year from now, and it opens previews only. Its secret is stored before anything else happens; if the
 * stored secret is missing the next time, the token gets a new one.
 *
 * @returns its id, for the policy; undefined: a plan, and it is not there yet
 */
export function ensureServiceToken(
  account: CloudflareAccount,
  name: string,
  store: ServiceTokenStore,
  changes: Changes,
): Promise<string | undefined> {
  return needing(permissions.accessServiceTokens, async () => {
    const { serviceTokens } = account.client.zeroTrust.access;
    const account_id = account.accountId;
    let found: string | undefined;
    for await (const token of serviceTokens.list({ account_id, name })) {
      if (token.name === name) found = token.id;
    }
    if (found === undefined) {
      return changes.make(`The service token "${name}" is made, for programs.`, async () => {
        const made = await serviceTokens.create({ account_id, name, duration: 'forever' });
        return keep(made, store);
      });
    }
    const id = found;
    if (parseServiceToken(await store.read())?.id === id) return id;
    await changes.make(
      `The service token "${name}" gets a new secret: the one it has is not kept anywhere.`,
      async () => keep(await serviceTokens.rotate(id, { account_id }), store),
    );
    return id;
  });
}

async function keep(
  { id, client_id, client_secret }: { id?: string; client_id?: string; client_secret?: string },
  store: ServiceTokenStore,
): Promise<string> {
  if (!id || !client_id || !client_secret)
    throw new Error('Cloudflare made a service token without a secret.');
  await store.write(JSON.stringify({ id, clientId: client_id, clientSecret: client_secret }));
  return id;
}
