const byId = /^\/repositories\/(\d+)(\/.*)?$/;

/**
 * `/repositories/<id>/...` is where renamed repositories redirect to: the same operations under an address
 * that GitHub's description leaves out. Whoever holds traffic against the description asks here first.
 */
export function describedPath(path: string): { path: string; repositoryId: string | undefined } {
  const [, id, rest = ''] = byId.exec(path) ?? [];
  return id ? { path: `/repos/_/_${rest}`, repositoryId: id } : { path, repositoryId: undefined };
}
