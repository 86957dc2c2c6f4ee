import { execFile } from 'node:child_process';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ephAdmin } from '../../scripts/commands.ts';
import { parseArguments } from '../../scripts/program/parse-arguments.ts';

const traced = ['node', 'dev/trace.ts'];
const admin = ['node', 'scripts/eph-admin.ts'];
const root = join(import.meta.dirname, '../..');
let folder: string;
let ran: string;

/** Replaces `with-node.sh`: prints the arguments that a command would get. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-make-'));
  ran = join(folder, 'ran');
  const program = join(folder, 'show');
  await writeFile(program, `#!/bin/sh\nprintf '%s\\0' "$PR" "$WHAT" "$TASK" "$EPH_ENV_FILE" "$@"\n`);
  await chmod(program, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function make(target: string, variables: string[], environment: Record<string, string> = {}) {
  const { stdout } = await promisify(execFile)(
    'make',
    [target, `RUN=${join(folder, 'show')}`, ...variables],
    { cwd: root, env: { PATH: process.env['PATH'], ...environment } },
  );
  const [PR, WHAT, TASK, EPH_ENV_FILE, ...args] = stdout.split('\0').slice(0, -1);
  return { PR, WHAT, TASK, EPH_ENV_FILE, args };
}
const run = (program: string, args: readonly string[]) =>
  promisify(execFile)(program, args, { cwd: root, env: { PATH: process.env['PATH'] } });
const hasRun = () =>
  access(ran).then(
    () => true,
    () => false,
  );

describe('what is typed after make', () => {
  const hostile = () => [
    `$(touch ${ran})`,
    `$(shell touch ${ran})`,
    `\${shell touch ${ran}}`,
    `$$(touch ${ran})`,
    `\`touch ${ran}\``,
    `"; touch ${ran}; "`,
    `'; touch ${ran}; '`,
    `acme/shop#1\ntouch ${ran}`,
    'acme/it’s "quoted" $HOME #1 \\',
  ];

  test('reaches the commands in their environment, letter for letter, and no shell', async () => {
    for (const value of hostile()) {
      const typed = ['PR', 'WHAT', 'TASK', 'ENV'].map((name) => `${name}=${value}`);
      const seen = await make('trace', typed);
      expect(seen).toEqual({ PR: value, WHAT: value, TASK: value, EPH_ENV_FILE: value, args: traced });
      expect(await hasRun()).toBe(false);
    }
  });

  test('may also be set in the environment of make', async () => {
    for (const value of hostile()) {
      const { PR, EPH_ENV_FILE, args } = await make('trace', [], { ENV: value, PR: value });
      expect({ PR, EPH_ENV_FILE, args }).toEqual({ PR: value, EPH_ENV_FILE: value, args: traced });
      expect(await hasRun()).toBe(false);
    }
  });

  test('is an argument that the program refuses or accepts as it is, and no shell reads it', async () => {
    for (const value of hostile()) {
      const { args } = await make('logs', [`PR=${value}`, 'FOLLOW=1'], { SINCE: value });
      expect(args).toEqual([...admin, 'logs', `--pr=${value}`, `--since=${value}`, '--follow']);
      const secret = await make('secret', [`REPO=${value}`, `NAME=${value}`]);
      expect(secret.args).toEqual([...admin, 'secret', 'set', value, value]);
      const rotate = await make('rotate', [`WHAT=${value}`]);
      expect(rotate.args).toEqual([...admin, 'rotate', value]);
      expect(await hasRun()).toBe(false);
    }
  });

  test('is put into recipes by the shell only, and nowhere by make', async () => {
    const makefile = await readFile(join(root, 'Makefile'), 'utf8');
    const recipes = [...makefile.matchAll(/^\t(.*)$/gm)].map(([, recipe = '']) => recipe);
    const safe = [
      /\$\((RUN|ADMIN|MAKEFILE_LIST)\)/g,
      /\$\$[A-Z0-9]+/gi,
      /\$\(call (flag|option),[A-Z]+,[a-z-]+\)/g,
      /\$\((filter 0,\$\()?value [A-Z]+\)/g,
      /\$\(if /g,
    ];
    const left = recipes.map((recipe) =>
      safe.reduce((text, pattern) => text.replaceAll(pattern, ''), recipe),
    );
    expect(left.filter((recipe) => recipe.includes('$'))).toEqual([]);
    expect(recipes.length).toBeGreaterThan(30);
  });

  test('is refused with the nearest name, before anything happens, if nothing reads it', async () => {
    for (const [target, typed, message] of [
      ['pause', 'SLEPE=1', 'There is no variable SLEPE. Did you mean SLEEP?'],
      ['pause', 'SLEEP=yes', 'SLEEP is 1, or 0, or left out.'],
      ['sweep', 'TAKS=due', 'There is no variable TAKS. Did you mean TASK?'],
    ] as const) {
      const refused = await run('make', [target, 'RUN=', typed]).catch((error) => error);
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain(message);
    }
  }, 20_000);

  test('may be a setting', async () => {
    const { stdout } = await run('make', ['cost', 'RUN=', 'AWS_REGION=eu-central-1', 'ENV=/dev/null']);
    expect(stdout).toContain('this deployment is in eu-central-1');
  }, 20_000);

  test('means .env where no settings file is named', async () => {
    expect((await make('trace', [])).EPH_ENV_FILE).toBe('.env');
  });
});

describe('a target of make', () => {
  test.each(
    ephAdmin.commands.flatMap(({ name, make: line }) => (line === undefined ? [] : [{ name, line }])),
  )('$line is the command "$name", as its help says', async ({ name, line }) => {
    const [, target = '', ...variables] = line.split(' ');
    const { args } = await make(target, variables);
    const words = target === 'trace' ? ['trace', 'acme/shop#1'] : args.slice(admin.length);
    expect(args.slice(0, admin.length)).toEqual(target === 'trace' ? traced : admin);
    expect(parseArguments(ephAdmin, words)).toMatchObject({ is: 'command', command: { name } });
  });

  test('sets a flag with 1 only, and turns smoke off with 0 only', async () => {
    const words = async (target: string, ...variables: string[]) =>
      (await make(target, variables)).args.slice(admin.length);
    expect(await words('deploy')).toEqual(['deploy']);
    expect(await words('deploy', 'YES=0', 'SMOKE=1')).toEqual(['deploy']);
    expect(await words('deploy', 'YES=1', 'SMOKE=0')).toEqual(['deploy', '--yes', '--no-smoke']);
    expect(await words('secret', 'REPO=acme/shop', 'NAME=A', 'LIST=1')).toEqual([
      'secret',
      'list',
      'acme/shop',
    ]);
    expect(await words('rotate', 'WHAT=webhook-secret', 'DROP=1')).toEqual([
      'rotate',
      'webhook-secret',
      '--drop-previous',
    ]);
  });
});
