import type { PolicyListResponse, PolicyUpdateParams } from 'cloudflare/resources/zero-trust/access/policies';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

export type WantedPolicy = Pick<PolicyUpdateParams, 'name' | 'decision' | 'include'>;

/**
 * A reusable policy, found by its name. Eph decides who is let in; what an operator has added (a second condition, an
 * excluded person, a required reason) stays.
 *
 * @returns its id; undefined: a plan, and it is not there yet
 */
export function ensurePolicy(
  account: CloudflareAccount,
  wanted: WantedPolicy,
  changes: Changes,
): Promise<string | undefined> {
  return needing(permissions.accessApps, async () => {
    const { policies } = account.client.zeroTrust.access;
    const account_id = account.accountId;
    const [found] = await findPolicies(account, wanted.name);
    if (!found?.id) {
      return changes.make(`The policy "${wanted.name}" is made.`, async () => {
        const made = await policies.create({ account_id, ...wanted });
        return made.id;
      });
    }
    const { id } = found;
    if (found.decision !== wanted.decision || inWords(found.include) !== inWords(wanted.include)) {
      await changes.make(`The policy "${wanted.name}" is changed: who is let in.`, () =>
        policies.update(id, { account_id, ...addedByHand(found), ...wanted }),
      );
    }
    return id;
  });
}

export async function findPolicies(account: CloudflareAccount, name: string): Promise<PolicyListResponse[]> {
  const found: PolicyListResponse[] = [];
  for await (const policy of account.client.zeroTrust.access.policies.list({
    account_id: account.accountId,
  })) {
    if (policy.name === name) found.push(policy);
  }
  return found;
}

const wordsOfRules = [
  ...['email', 'email_domain', 'domain'],
  ...['github-organization', 'identity_provider_id', 'name', 'team'],
  ...['service_token', 'token_id'],
];

/**
 * Brings rules into one order of keys, without what Cloudflare adds. A rule must have nothing beyond what is wanted:
 * a rule for one team is the rule for its organisation and one more key.
 */
function inWords(rules: unknown): string {
  return JSON.stringify(rules ?? [], wordsOfRules);
}

/** The fields that an operator added. A PUT replaces the whole policy. */
function addedByHand(policy: PolicyListResponse): Partial<PolicyUpdateParams> {
  const kept = {
    require: policy.require,
    exclude: policy.exclude,
    session_duration: policy.session_duration,
    approval_groups: policy.approval_groups,
    approval_required: policy.approval_required,
    isolation_required: policy.isolation_required,
    purpose_justification_prompt: policy.purpose_justification_prompt,
    purpose_justification_required: policy.purpose_justification_required,
    connection_rules: policy.connection_rules,
    mfa_config: policy.mfa_config,
  };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}
