import type { AccessRuleParam } from 'cloudflare/resources/zero-trust/access/applications/policies';

const github = /^github:([\w-]+)(?:\/([\w.-]+))?$/;

/** Whether the item is allowed in ACCESS_ALLOW. */
export function isAccessItem(item: string): boolean {
  return github.test(item) || /^([^@\s:]+)?@[a-z0-9.-]+\.[a-z]{2,}$/i.test(item);
}

/** Whether an item of ACCESS_ALLOW needs people to sign in with GitHub. */
export function needsGithub(allow: readonly string[]): boolean {
  return allow.some((item) => github.test(item));
}

/** ACCESS_ALLOW as rules of Access: a person whom one of them fits is let in. */
export function accessRules(allow: readonly string[], githubProvider: string): AccessRuleParam[] {
  return allow.map((item) => {
    const [, name, team] = github.exec(item) ?? [];
    if (name !== undefined) {
      return {
        'github-organization': { identity_provider_id: githubProvider, name, ...(team ? { team } : {}) },
      };
    }
    return item.startsWith('@') ? { email_domain: { domain: item.slice(1) } } : { email: { email: item } };
  });
}
