import type { Source } from '#core/environment';

/**
 * The source in the form of the table. The access is called `installationId` and is a number there, because GitHub was
 * the only forge at first and the table's index uses it; a deploy changes neither.
 */
export type StoredSource = Omit<Source, 'access'> & { installationId?: number };

export function storedSource({ access, ...source }: Source): StoredSource {
  const installationId = indexedAccess(access);
  return installationId === undefined ? source : { ...source, installationId };
}

export function readSource({ installationId, ...source }: StoredSource): Source {
  return { ...source, access: installationId === undefined ? '' : String(installationId) };
}

/** Undefined: the index cannot find the row. It holds only numbers, such as GitHub’s installations. */
export function indexedAccess(access: string | undefined): number | undefined {
  return access && Number.isSafeInteger(Number(access)) ? Number(access) : undefined;
}
