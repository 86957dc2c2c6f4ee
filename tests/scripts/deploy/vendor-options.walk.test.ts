import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const read = (path: string) => readFile(join(root, path), 'utf8');

const asked = new Map<string, Promise<Set<string>>>();

/** The options in `<program> <command> --help`; `--no-x` is in the list as `--x` too. */
function optionsOf(script: string, command: string): Promise<Set<string>> {
  const known = asked.get(`${script} ${command}`) ?? askOptions(script, command);
  asked.set(`${script} ${command}`, known);
  return known;
}

async function askOptions(script: string, command: string): Promise<Set<string>> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, script), command, '--help'], {
    env: { PATH: process.env['PATH'], WRANGLER_SEND_METRICS: 'false', CI: 'true', COLUMNS: '200' },
  });
  const named = [...stdout.matchAll(/(?<=^ *(?:-\w, )?)--([a-z][\w-]*)/gm)].map(([, name]) => name ?? '');
  return new Set(named.flatMap((name) => [name, `no-${name}`]));
}

interface Use {
  command: string;
  options: string[];
}

/** The calls of a program in our source: `cdk(['deploy', name, '--app', folder], ...)`, each on its own list. */
function usesIn(source: string, program: string): Use[] {
  const calls = source.matchAll(new RegExp(`\\b${program}\\(\\s*\\[\\s*'(\\w+)'([^\\]]*)\\]`, 'g'));
  return [...calls].map(([, command = '', list = '']) => ({ command, options: namesIn(list) }));
}

function namesIn(text: string): string[] {
  return [...text.matchAll(/'--([a-z][\w-]*)/g)].map(([, name]) => name ?? '');
}

async function unknownOf(script: string, uses: readonly Use[]): Promise<string[]> {
  const unknown: string[] = [];
  for (const { command, options } of uses) {
    const known = await optionsOf(script, command);
    for (const option of options) if (!known.has(option)) unknown.push(`${command} --${option}`);
  }
  return unknown;
}

test('every option that CDK gets is an option of its command', async () => {
  const source = await read('infra/deploy/cdk-stack.ts');
  const always = namesIn(/const quiet = \[(.*?)\]/.exec(source)?.[1] ?? '');
  const uses = usesIn(source, 'cdk');
  expect(uses.map(({ command }) => command)).toEqual(['synth', 'bootstrap', 'diff', 'deploy', 'destroy']);
  expect(always).not.toEqual([]);
  const script = 'node_modules/aws-cdk/bin/cdk';
  expect(
    await unknownOf(
      script,
      uses.map(({ command, options }) => ({ command, options: [...options, ...always] })),
    ),
  ).toEqual([]);
  expect(await unknownOf(script, [{ command: 'destroy', options: ['progress'] }])).toEqual([
    'destroy --progress',
  ]);
}, 120_000);

test('every option that wrangler gets is an option of its command', async () => {
  const source = await read('infra/deploy/wrangler-worker.ts');
  const uses = usesIn(source, 'wrangler').map(({ command, options }) => ({
    command,
    options: [...options, 'config', 'var'],
  }));
  expect(uses.map(({ command }) => command)).toEqual(['deploy', 'deploy']);
  expect(await unknownOf('node_modules/wrangler/bin/wrangler.js', uses)).toEqual([]);
}, 120_000);

test('every variable that Packer gets is a variable of the template, and none is left out', async () => {
  const template = await read('packer/host.pkr.hcl');
  const declared = [...template.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name);
  const source = await read('infra/deploy/packer-image.ts');
  const given = /const variables = \{(.*?)\};/s.exec(source)?.[1] ?? '';
  const names = [...given.matchAll(/^\s*(\w+)[:,]/gm)].map(([, name]) => name);
  expect(names.toSorted()).toEqual(declared.toSorted());
});
