/** Valid for an hour (https://docs.github.com/rest/apps/apps, "Create an installation access token"). */
const KEPT_MS = 50 * 60_000;
/** A process uses fewer; the oldest ones are dropped. */
const MAX_KEPT = 500;

/**
 * Tokens of the App, each for one repository.
 *
 * A token of the whole installation may read every public repository of the world, so it does not show whether
 * the App has access to one: GitHub refuses a token for a repository that the installation does not have.
 */
export function repositoryTokens<T>(
  /** Asks GitHub. Undefined: refused. */
  make: (installationId: number, repositoryId: number) => Promise<T | undefined>,
  now: () => number,
  kept = new Map<string, { access: T; until: number }>(),
) {
  /** Gets a new token and replaces the cached one. */
  async function renew(installationId: number, repositoryId: number): Promise<T | undefined> {
    const key = `${installationId} ${repositoryId}`;
    kept.delete(key);
    const access = await make(installationId, repositoryId);
    if (!access) return undefined;
    const [oldest] = kept.keys();
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    kept.set(key, { access, until: now() + KEPT_MS });
    return access;
  }

  return {
    renew,
    async get(installationId: number, repositoryId: number): Promise<T | undefined> {
      const found = kept.get(`${installationId} ${repositoryId}`);
      return found && found.until > now() ? found.access : renew(installationId, repositoryId);
    },
  };
}
