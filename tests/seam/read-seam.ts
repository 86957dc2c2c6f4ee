import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const repository = join(import.meta.dirname, '../..');

/** The code that must know no vendor: the decisions, the runs, the garbage collection, the rows and the interfaces. */
const ROOTS = 'lambdas/{core,reconcile,sweep,store}/**/*.ts';
const INTERFACES = 'lambdas/providers/*.ts';

/** Path in the repository -> text, of the neutral folders and of everything that they import, also indirectly. */
export function readSeam(): Map<string, string> {
  return readWithImports([ROOTS, INTERFACES].flatMap((pattern) => globSync(pattern, { cwd: repository })));
}

/** Path in the repository -> text, of these files and of everything that they import, also indirectly. */
export function readWithImports(paths: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const left = [...paths];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (found.has(path)) continue;
    const text = readFileSync(join(repository, path), 'utf8');
    found.set(path, text);
    left.push(...importsOf(path, text));
  }
  return found;
}

/** Files of the repository that one of its files imports, for types too. */
export function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].flatMap(([, one]) => one ?? []);
  return specifiers.flatMap((specifier) => {
    const shared = /^#(core|webhook|settings)\/(.+)$/.exec(specifier);
    if (shared) return [`lambdas/${shared[1]}/${shared[2]}.ts`];
    if (!specifier.startsWith('.')) return [];
    return [relative(repository, join(repository, dirname(path), specifier))];
  });
}
