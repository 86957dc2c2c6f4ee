import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingNames } from '../../infra/settings/settings-table.ts';
import { ephAdmin } from '../../scripts/commands.ts';
import { parseArguments } from '../../scripts/program/parse-arguments.ts';

/** What a reader is told to type: each command of eph-admin with its flags, and each variable of make. */
const root = join(import.meta.dirname, '../..');
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...under('docs/*.md')].map(
  (name) => ({ name, text: read(name) }),
);
const makefile = read('Makefile').replaceAll('\\\n', ' ');
const variables = ['flags', 'variables'].flatMap((list) => {
  const [, names = ''] = new RegExp(`^${list} := (.*)$`, 'm').exec(makefile) ?? [];
  return names.split(/\s+/).filter((name) => /^[A-Z]/.test(name));
});

describe('eph-admin', () => {
  it.each(documents)('has every command, flag and choice that $name names', ({ text }) => {
    expect(mistakesIn(text)).toEqual([]);
  });

  it('has every command, flag and choice that commands, settings and workflows name', () => {
    const sources = [...under('{scripts,infra,dev,local}/**/*.ts'), ...under('.github/workflows/*.yml')];
    expect([...sources, '.env.example', 'Makefile'].flatMap((name) => mistakesIn(read(name)))).toEqual([]);
  });

  it('has every flag that its help names in sentences', () => {
    const named = ephAdmin.commands.flatMap(({ about = '', next = '' }) => flagsIn(`${about} ${next}`));
    const flags = ephAdmin.commands.flatMap(({ inputs }) =>
      Object.values(inputs).flatMap(({ usage }) => flagsIn(usage)),
    );
    expect(named).toContain('--drop-previous');
    expect(named.filter((flag) => !flags.includes(flag))).toEqual([]);
  });

  it('is named in the documents at all', () => {
    expect(documents.flatMap(({ text }) => commandsIn(text))).toContain('help <command>');
  });

  it.each([
    ['`eph-admin tea`', ['tea']],
    ['`./scripts/eph-admin.ts pause --slep`', ['pause --slep']],
    ['first\n./scripts/eph-admin.ts rotate tea-key\n', ['rotate tea-key']],
    ['`node scripts/eph-admin.ts image build --arch sparc`', ['image build --arch sparc']],
    [
      '`eph-admin pause --sleep`, `eph-admin secret set acme/shop KEY < key.txt`, `eph-admin help <command>`',
      [],
    ],
  ])('would not pass with a wrong one: %j', (text, wrong) => {
    expect(mistakesIn(text)).toEqual(wrong);
  });
});

describe('make', () => {
  it.each(documents)('has every variable that $name gives it', ({ text }) => {
    expect(unknownIn(text)).toEqual([]);
  });

  it('has every variable that the help of eph-admin gives it', () => {
    const lines = ephAdmin.commands.flatMap(({ make }) => (make === undefined ? [] : [`\`${make}\``]));
    expect(unknownIn(lines.join('\n'))).toEqual([]);
    expect(variables.length).toBeGreaterThan(30);
  });

  it.each(['`make pause SLEPE=1`', 'first\nmake pause SLEPE=1\n', '`SLEPE=1 make pause`'])(
    'would not pass with a wrong one: %j',
    (text) => {
      expect(unknownIn(text)).toEqual(['SLEPE']);
    },
  );
});

/** In code or on a line of its own, without what the shell takes: `< key.txt`. */
function commandsIn(text: string): string[] {
  const program = String.raw`(?:node )?(?:\.?\/?scripts\/)?eph-admin(?:\.ts)?`;
  const named = [
    ...text.matchAll(new RegExp(`\`${program} ([^\`\\n]+)\``, 'g')),
    ...text.matchAll(new RegExp(`^${program} (.+)$`, 'gm')),
  ];
  return named.map(([, words = '']) => words.split(' < ')[0] ?? '');
}

function mistakesIn(text: string): string[] {
  return commandsIn(text).filter((command) => {
    const words = command.split(' ').filter((word) => !/^[<[]/.test(word));
    return parseArguments(ephAdmin, words).is === 'mistake';
  });
}

function flagsIn(text: string): string[] {
  return text.match(/--[a-z][a-z-]*/g) ?? [];
}

/** Names of variables that a `make` is given which neither it nor a setting has. */
function unknownIn(text: string): string[] {
  const lines = [
    ...text.matchAll(/`((?:[A-Z_]+=\S+ )*make [^`\n]+)`/g),
    ...text.matchAll(/^((?:[A-Z_]+=\S+ )*make .+)$/gm),
  ];
  const given = lines.flatMap(([, line = '']) => line.match(/(?<=^| )[A-Z][A-Z0-9_]*(?==)/g) ?? []);
  return given.filter((name) => ![...variables, ...settingNames].includes(name));
}

function under(pattern: string): string[] {
  return globSync(pattern, { cwd: root }).sort();
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
