/** `unlisted`: named by no pattern, so an `eph.yaml` decides. `excluded`: not even with an `eph.yaml`. */
export type Listing = 'listed' | 'unlisted' | 'excluded';

/**
 * Patterns of the operator's list: `owner/repo`, `owner/*`, `*`; case does not count on GitHub. Of those that name
 * the repository the last one decides, and a leading `!` excludes it. Another forge's begin with its prefix, as keys
 * do: an owner there may be somebody else.
 */
export function listingOf(patterns: readonly string[], owner: string, name: string, forge?: string): Listing {
  const prefix = forge === undefined ? '' : `${forge}:`;
  const full = `${prefix}${owner}/${name}`.toLowerCase();
  let listing: Listing = 'unlisted';
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (matches(negated ? pattern.slice(1) : pattern, full)) listing = negated ? 'excluded' : 'listed';
  }
  return listing;
}

function matches(pattern: string, full: string): boolean {
  const known = compiled.get(pattern) ?? compile(pattern);
  compiled.set(pattern, known);
  return known.test(full);
}

/** The operator's list is the same for a whole deployment, and is asked at every step. */
const compiled = new Map<string, RegExp>();

function compile(pattern: string): RegExp {
  const escaped = pattern
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, pattern.includes('/') ? '[^/]*' : '.*');
  return new RegExp(`^${escaped}$`);
}
