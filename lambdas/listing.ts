/** `unlisted`: no pattern names it, so an `eph.yaml` decides. `excluded`: even an `eph.yaml` does not help. */
export type Listing = 'listed' | 'unlisted' | 'excluded';

/**
 * Matches the patterns of the operator's list: `owner/repo`, `owner/*`, `*`; GitHub ignores upper and lower case. Of
 * the patterns that name the repository, the last one decides, and a leading `!` excludes it. Patterns of another forge
 * begin with its prefix, as keys do: an owner of the same name there may be another person.
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

/** The operator's list is the same for a whole deployment, and every step reads it. */
const compiled = new Map<string, RegExp>();

function compile(pattern: string): RegExp {
  const escaped = pattern
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, pattern.includes('/') ? '[^/]*' : '.*');
  return new RegExp(`^${escaped}$`);
}
