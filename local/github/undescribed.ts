import type { Operation } from './call.ts';
import { mergePull } from './operations-pulls.ts';
import { transferRepository } from './operations-repositories.ts';

/**
 * What GitHub answers and our cut of its description does not contain. Whoever holds traffic against the
 * description first asks `describedPath`, and skips what `isUndescribed` names.
 */
const routes: { id: string; method: string; pattern: RegExp; names: string[]; run: Operation }[] = [
  {
    id: 'pulls/merge',
    method: 'PUT',
    pattern: /^\/repos\/([^/]+)\/([^/]+)\/pulls\/(\d+)\/merge$/,
    names: ['owner', 'repo', 'pull_number'],
    run: mergePull,
  },
  {
    id: 'repos/transfer',
    method: 'POST',
    pattern: /^\/repos\/([^/]+)\/([^/]+)\/transfer$/,
    names: ['owner', 'repo'],
    run: transferRepository,
  },
];

const byId = /^\/repositories\/(\d+)(\/.*)?$/;

/**
 * `/repositories/<id>/...` is where renamed repositories redirect to: the same operations under an address
 * that the description leaves out.
 */
export function describedPath(path: string): { path: string; repositoryId: string | undefined } {
  const [, id, rest = ''] = byId.exec(path) ?? [];
  return id ? { path: `/repos/_/_${rest}`, repositoryId: id } : { path, repositoryId: undefined };
}

export function isUndescribed(method: string, path: string): boolean {
  return path === '/graphql' || findUndescribed(method, path) !== undefined;
}

export function findUndescribed(
  method: string,
  path: string,
): { id: string; path: Record<string, string>; run: Operation } | undefined {
  for (const { id, method: wanted, pattern, names, run } of routes) {
    const match = wanted === method ? pattern.exec(path) : null;
    if (!match) continue;
    const values = names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')]);
    return { id, path: Object.fromEntries(values), run };
  }
  return undefined;
}
