import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ephAdmin } from '../../../scripts/commands.ts';
import { parseArguments } from '../../../scripts/program/parse-arguments.ts';

const root = join(import.meta.dirname, '../../..');

function helpOf(name: string): string {
  const asked = parseArguments(ephAdmin, [...name.split(' '), '--help'].filter(Boolean));
  if (asked.is !== 'text') throw new Error(`${name} --help is ${asked.is}`);
  return asked.text;
}

/** Read the file when it changes: `vitest -u` writes it again. */
it('the help of all commands is what tests/scripts/help.txt shows', async () => {
  const names = ['', ...ephAdmin.commands.map(({ name }) => name)];
  const all = names.map((name) => `$ ${['eph-admin', name].join(' ').trim()} --help\n${helpOf(name)}`);
  await expect(all.join('\n\n')).toMatchFileSnapshot('../help.txt');
});

it('every command says what it does in one sentence, and shows an example', () => {
  for (const { name, summary, examples } of ephAdmin.commands) {
    expect(summary, name).toMatch(/^[A-Z].*[^.]$/);
    expect(helpOf(name)).toContain(`eph-admin ${examples[0]}`);
  }
  const nouns = ephAdmin.commands.flatMap(({ name }) => (name.includes(' ') ? name.split(' ')[0] : []));
  expect(Object.keys(ephAdmin.nouns)).toEqual([...new Set(nouns)]);
});

/** What `node scripts/eph-admin.ts --help` loads. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = readFileSync(join(root, file), 'utf8');
  for (const [, from = ''] of source.matchAll(/^import (?!type )[^;]*?from '([^']+)'/gm)) {
    if (from.startsWith('.')) {
      if (from.endsWith('.ts')) loaded(join(dirname(file), from), seen);
    } else if (from.startsWith('#core/')) loaded(`lambdas/core/${from.slice(6)}.ts`, seen);
    else seen.add(from);
  }
  return seen;
}

it('the help loads no SDK and no prompt, so that it appears at once', () => {
  const packages = [...loaded('scripts/eph-admin.ts')].filter((name) => !name.endsWith('.ts'));
  expect(packages.toSorted()).toEqual(['commander', 'node:util']);
  expect([...loaded('scripts/terminal/run-command.ts')]).toContain('@inquirer/prompts');
});
