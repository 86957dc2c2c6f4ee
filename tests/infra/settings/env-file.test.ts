import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { envFileOf, readEnvFile, writeSetting } from '../../../infra/settings/env-file.ts';
import { UsageError } from '../../../infra/terminal/usage-error.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-env-'));
  file = join(folder, '.env');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the settings file', () => {
  it('is empty if it does not exist', async () => {
    expect(await readEnvFile(file, {})).toEqual({});
  });

  it('is .env where EPH_ENV_FILE names none', () => {
    expect(envFileOf({ EPH_ENV_FILE: '' })).toBe('.env');
    expect(envFileOf({})).toBe('.env');
  });

  it('is refused where it cannot be read, or is no text', async () => {
    await expect(readEnvFile(folder, {})).rejects.toThrow(UsageError);
    await writeFile(file, 'DEPLOYMENT_ID=main\n\0');
    await expect(readEnvFile(file, {})).rejects.toThrow(UsageError);
    await expect(readEnvFile(file, {})).rejects.toThrow(`The settings file ${file} is no text.`);
  });

  it('is overridden by the environment, and an empty value counts as not set in either', async () => {
    await writeFile(file, 'A=file\nB=file\nC=\n# D=commented\n');
    expect(await readEnvFile(file, { A: 'shell', B: '' })).toEqual({ A: 'shell', B: 'file' });
  });

  it('keeps comments and order when a setting is written, commented out or not', async () => {
    await writeFile(file, '# what A is\nA=\n# B=default\nC=3\n');
    await writeSetting(file, 'A', '1');
    await writeSetting(file, 'B', '2');
    await writeSetting(file, 'NEW', '4');
    expect(await readFile(file, 'utf8')).toBe('# what A is\nA=1\nB=2\nC=3\nNEW=4\n');
  });

  it('is changed in the line that counts: the last one that is set, or a comment if none is', async () => {
    await writeFile(file, '# A=old\nA=mine\nexport B=1\n');
    await writeSetting(file, 'A', 'new');
    await writeSetting(file, 'B', '2');
    expect(await readFile(file, 'utf8')).toBe('# A=old\nA=new\nB=2\n');
    await writeFile(file, 'A=1\nA=2\n');
    await writeSetting(file, 'A', '3');
    expect(await readEnvFile(file, {})).toEqual({ A: '3' });
  });

  it('is named in the error if it cannot be read', async () => {
    await expect(readEnvFile(folder, {})).rejects.toThrow(
      `The settings file ${folder} cannot be read (EISDIR).`,
    );
  });

  it('does not mistake a variable for one whose name it ends with', async () => {
    await writeFile(file, 'MY_ZONE=a\nZONE=b\n');
    await writeSetting(file, 'ZONE', 'c');
    expect(await readFile(file, 'utf8')).toBe('MY_ZONE=a\nZONE=c\n');
  });

  it.each([
    'github:acme/web, @acme.dev',
    'with "quotes" inside',
    "it's fine",
    'dollar $HOME & $1',
    'hash # inside',
    '/a/b=c',
  ])('reads back what it wrote: %s', async (value) => {
    await writeSetting(file, 'A', 'before');
    await writeSetting(file, 'A', value);
    expect(await readEnvFile(file, {})).toEqual({ A: value });
  });

  it('is readable by its owner only, also when it was open to all before', async () => {
    await writeFile(file, 'A=1\n', { mode: 0o644 });
    await writeSetting(file, 'A', '2');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('refuses a line break, which would begin another setting', async () => {
    await expect(writeSetting(file, 'A', '1\nB=2')).rejects.toThrow('A has a line break');
  });
});
