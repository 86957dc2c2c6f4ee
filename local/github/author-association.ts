import type { Account, Repository } from './github-state.ts';

/**
 * How GitHub describes an author to an unknown reader, as in a webhook. Membership of an organisation is private by
 * default, so a member with write access may be shown as CONTRIBUTOR or NONE (cloudflare/cloudflare-os#321): the
 * field proves nothing, the collaborator API must be asked.
 */
export function authorAssociation(repository: Repository, account: Account): string {
  if (repository.owner.id === account.id) return 'OWNER';
  const merged = [...repository.pulls.values()].some(
    (pull) => pull.author.id === account.id && pull.mergedAt !== null,
  );
  return merged ? 'CONTRIBUTOR' : 'NONE';
}
