const byId = /^\/repositories\/(\d+)(\/.*)?$/;

/**
 * Renamed repositories redirect to `/repositories/<id>/...`: the same operations at an address that GitHub's
 * description lacks. Code that compares traffic with the description calls this first.
 */
export function describedPath(path: string): { path: string; repositoryId: string | undefined } {
  const [, id, rest = ''] = byId.exec(path) ?? [];
  return id ? { path: `/repos/_/_${rest}`, repositoryId: id } : { path, repositoryId: undefined };
}
