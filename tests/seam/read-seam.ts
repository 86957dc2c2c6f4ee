import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const repository = join(import.meta.dirname, '../..');

/** What must stand without any vendor: the decisions, the runs, the comparison, the rows and the interfaces. */
const ROOTS = 'lambdas/{core,reconcile,sweep,store}/**/*.ts';
const INTERFACES = 'lambdas/providers/*.ts';

/** Path in the repository -> text, of the neutral folders and of everything that they import, however far. */
export function readSeam(): Map<string, string> {
  const seam = new Map<string, string>();
  const left = [ROOTS, INTERFACES].flatMap((pattern) => globSync(pattern, { cwd: repository }));
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (seam.has(path)) continue;
    const text = readFileSync(join(repository, path), 'utf8');
    seam.set(path, text);
    left.push(...importsOf(path, text));
  }
  return seam;
}

/** Files of the repository that one of its files imports, for types too. */
export function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].flatMap(([, one]) => one ?? []);
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith('#core/')) return [`lambdas/core/${specifier.slice('#core/'.length)}.ts`];
    if (!specifier.startsWith('.')) return [];
    return [relative(repository, join(repository, dirname(path), specifier))];
  });
}
