import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { settingNames } from '../../../infra/settings/settings-table.ts';

/** What may be typed behind `make` is a list in the Makefile; a name that is missing there could not be typed. */
const root = join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const makefile = read('Makefile');
const [, listed = ''] = /^variables := ((?:.*\\\n)*.*)/m.exec(makefile) ?? [];
const [, flags = ''] = /^flags := (.*)/m.exec(makefile) ?? [];
const known = [...listed.split(/[\s\\]+/), ...flags.split(' '), ...settingNames];

/** Set by other programs: the shell of a remote login; `make` itself. */
const notTyped = ['SSH_CONNECTION', 'EPH_DOUBTFUL', 'EPH_VARIABLES', 'EPH_FLAGS'];

it('make knows every variable that a recipe or a developer’s program reads', () => {
  const inRecipes = makefile.matchAll(/(?:value |call flag,|call option,|\t.*\$\$)([A-Z][A-Z0-9_]*)/g);
  const inPrograms = [...globSync('dev/**/*.ts', { cwd: root }), 'tests/sim/run.ts'].flatMap((file) => [
    ...read(file).matchAll(/process\.env\['([A-Z_]+)'\]/g),
    ...[...read(file).matchAll(/\{([A-Z_, ]+)\} = process\.env/g)].flatMap(([, names = '']) => [
      ...names.matchAll(/([A-Z_]+)/g),
    ]),
  ]);
  const names = [...inRecipes, ...inPrograms].map(([, name = '']) => name);
  expect(names).toEqual(expect.arrayContaining(['REPO', 'SLEEP', 'ONCE', 'SEEDS', 'CONFIRM']));
  expect([...new Set(names)].filter((name) => ![...known, ...notTyped].includes(name))).toEqual([]);
});

it('make knows every answer to a question of a command', () => {
  const asked = globSync('scripts/**/*.ts', { cwd: root }).flatMap((file) =>
    [...read(file).matchAll(/name: '([A-Z_]+)'/g)].map(([, name = '']) => name),
  );
  expect(asked).toContain('SECRET_VALUE');
  expect(asked.filter((name) => !known.includes(name))).toEqual([]);
});
