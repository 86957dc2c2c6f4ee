import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');

async function ephAdmin(words: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['scripts/eph-admin.ts', ...words], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (said.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (said.stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, ...said };
}

describe('eph-admin', () => {
  it('shows its help on stdout', async () => {
    const { code, stdout, stderr } = await ephAdmin(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Sets up, deploys and operates one Eph/);
  });

  it('prints on stderr what is wrong with the words, without a stack, and ends with 2', async () => {
    expect(await ephAdmin(['paus'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        "✗ unknown command 'paus'\n  → Did you mean pause? ./scripts/eph-admin.ts --help says what there is.\n",
    });
  });

  it('ends with 2 also for a mistake that only the command finds', async () => {
    const { code, stdout, stderr } = await ephAdmin(['plan', '--env', 'nowhere.env']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('There is no settings file nowhere.env.');
  });

  it('ends with 1 for what is not as it should be', async () => {
    const { code, stdout, stderr } = await ephAdmin(['plan'], { EPH_ENV_FILE: '/dev/null' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('DEPLOYMENT_ID is not set');
  });

  it.each(['--help', 'paus'])(
    'leaves no stack where nobody reads on: eph-admin %s | head -1',
    async (word) => {
      const child = spawn(process.execPath, ['scripts/eph-admin.ts', word], {
        cwd: root,
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [closed, open] = word === 'paus' ? [child.stderr, child.stdout] : [child.stdout, child.stderr];
      closed.destroy();
      let said = '';
      open.on('data', (chunk) => (said += String(chunk)));
      const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
      expect({ code, said }).toEqual({ code: word === 'paus' ? 2 : 0, said: '' });
    },
  );

  it('cuts a word that no screen has room for', async () => {
    const { code, stderr } = await ephAdmin(['p'.repeat(50_000)]);
    expect(code).toBe(2);
    expect(stderr.length).toBeLessThan(300);
  });

  it('says that a folder is no settings file', async () => {
    const { code, stdout, stderr } = await ephAdmin(['plan', '--env', 'docs']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('The settings file docs cannot be read (EISDIR).');
  });

  it('prefers the settings file from --env to EPH_ENV_FILE', async () => {
    const { stderr } = await ephAdmin(['--env', 'one.env', 'plan'], { EPH_ENV_FILE: 'other.env' });
    expect(stderr).toContain('There is no settings file one.env.');
  });
});
