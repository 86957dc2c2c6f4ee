import { execFile } from 'node:child_process';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const traced = ['node', 'scripts/trace.ts'];
const root = join(import.meta.dirname, '../..');
let folder: string;
let ran: string;

/** In place of `with-node.sh`: says what a command would have been given. */
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

  test('may as well stand in the environment of make', async () => {
    for (const value of hostile()) {
      const { PR, EPH_ENV_FILE, args } = await make('trace', [], { ENV: value, PR: value });
      expect({ PR, EPH_ENV_FILE, args }).toEqual({ PR: value, EPH_ENV_FILE: value, args: traced });
      expect(await hasRun()).toBe(false);
    }
  });

  test('is an argument of no command', async () => {
    const makefile = await readFile(join(root, 'Makefile'), 'utf8');
    const used = makefile.matchAll(/^\t.*?\$[({](?!RUN\)|MAKEFILE_LIST\))(.*)$/gm);
    expect([...used].map(([line]) => line)).toEqual([]);
  });

  test('names .env where no settings file is named', async () => {
    expect((await make('trace', [])).EPH_ENV_FILE).toBe('.env');
  });
});
