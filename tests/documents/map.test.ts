import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, repository } from '../seam/read-seam.ts';

/** The map of docs/architecture.md: folder -> folders that it uses. */
function readMap(): Map<string, string[]> {
  const text = readFileSync(join(repository, 'docs/architecture.md'), 'utf8');
  const [, section = ''] = text.split('## The map\n');
  const rows = (section.split('\n#')[0] ?? '').matchAll(/^\| `([^`]+)` \|[^|]*\|([^|]*)\|$/gm);
  return new Map(
    [...rows].map(([, folder = '', uses = '']) => [
      folder,
      [...uses.matchAll(/`([^`]+)`/g)].flatMap(([, one]) => one ?? []),
    ]),
  );
}

/** The deepest folder of the map that the file lies in. */
function folderOf(path: string, folders: readonly string[]): string | undefined {
  return folders
    .filter((folder) => path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)
    .at(0);
}

/** Folder -> folder -> a file that imports one of its files. */
function readImports(folders: readonly string[]): Map<string, Map<string, string>> {
  const top = [...new Set(folders.map((folder) => folder.split('/')[0]))];
  const found = new Map(folders.map((folder) => [folder, new Map<string, string>()]));
  for (const path of globSync(`{${top.join(',')}}/**/*.ts`, { cwd: repository })) {
    const from = folderOf(path, folders) ?? '';
    for (const imported of importsOf(path, readFileSync(join(repository, path), 'utf8'))) {
      const to = folderOf(imported, folders);
      if (to !== undefined && to !== from) found.get(from)?.set(to, `${path} imports ${imported}`);
    }
  }
  return found;
}

describe('the map of docs/architecture.md', () => {
  const map = readMap();
  const imports = readImports([...map.keys()]);

  it('draws every folder of the code', () => {
    const drawn = [...map.keys()];
    const inLambdas = globSync('lambdas/{*,providers/*}/', { cwd: repository }).map((one) =>
      one.replace(/\/$/, ''),
    );
    expect(inLambdas.length).toBeGreaterThan(8);
    expect(drawn).toEqual(expect.arrayContaining(inLambdas));
    expect(drawn).toEqual(expect.arrayContaining(['worker', 'host', 'infra', 'scripts', 'local', 'dev']));
  });

  it.each([...map])('has what %s uses', (folder, uses) => {
    const used = imports.get(folder) ?? new Map<string, string>();
    const undrawn = [...used].filter(([to]) => !uses.includes(to)).map(([, why]) => why);
    expect(undrawn).toEqual([]);
    expect(uses.filter((to) => !used.has(to))).toEqual([]);
  });
});
