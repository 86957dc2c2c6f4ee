import type { Source } from '#core/environment';

/**
 * As the table has it. What opens a repository is called `installationId` and is a number there, since GitHub was the
 * only forge and the table's index goes by it; a deploy changes neither.
 */
export type StoredSource = Omit<Source, 'access'> & { installationId?: number };

export function storedSource({ access, ...source }: Source): StoredSource {
  const installationId = indexedAccess(access);
  return installationId === undefined ? source : { ...source, installationId };
}

export function readSource({ installationId, ...source }: StoredSource): Source {
  return { ...source, access: installationId === undefined ? '' : String(installationId) };
}

/** Undefined: there is nothing to find a row by. The index holds numbers alone, and GitHub’s installations are some. */
export function indexedAccess(access: string | undefined): number | undefined {
  return access && Number.isSafeInteger(Number(access)) ? Number(access) : undefined;
}
