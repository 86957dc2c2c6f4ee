import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource } from '../../../dev/try/open-source.ts';
import { createTreePusher } from '../../../dev/try/push-tree.ts';
import { OperatorError } from '../../../infra/terminal/operator-error.ts';

const run = promisify(execFile);

describe('a repository that is tried', () => {
  let temp: string;
  let app: string;

  async function git(folder: string, ...args: string[]): Promise<string> {
    const person = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
    return (await run('git', [...person, ...args], { cwd: folder })).stdout.trim();
  }

  async function commit(file: string, text: string, message: string): Promise<string> {
    await writeFile(join(app, file), text);
    await git(app, 'add', '--all');
    await git(app, 'commit', '--quiet', '--message', message);
    return git(app, 'rev-parse', 'HEAD');
  }

  beforeEach(async () => {
    temp = await mkdtemp(join(tmpdir(), 'eph-try-test-'));
    app = join(temp, 'my app');
    await mkdir(app);
    await git(app, 'init', '--quiet', '--initial-branch', 'trunk');
  });
  afterEach(() => rm(temp, { recursive: true, force: true }));

  it('is named after its folder, and its newest commit is found whatever the branch', async () => {
    const sha = await commit('compose.yaml', 'services: {}', 'Begin');
    const source = await openSource({ DIR: app });
    expect(source.name).toBe('my-app');
    expect(source.note).toBeUndefined();
    const author = { name: 'Ada', email: 'ada@example.com', date: expect.any(String) };
    expect(await source.newest()).toMatchObject({ sha, subject: 'Begin', author });
    await git(app, 'checkout', '--quiet', '--detach');
    const next = await commit('compose.yaml', 'services: { web: {} }', 'Go on');
    expect((await source.newest()).sha).toBe(next);
  });

  it('tells how many files have changes that are not committed, new files too', async () => {
    await commit('compose.yaml', 'services: {}', 'Begin');
    const source = await openSource({ DIR: app });
    expect(await source.uncommitted()).toBe(0);
    await writeFile(join(app, 'compose.yaml'), 'changed');
    await writeFile(join(app, 'new.txt'), 'new');
    expect(await source.uncommitted()).toBe(2);
  });

  it('is the whole repository, and it says so, when the folder is a part of one', async () => {
    await mkdir(join(app, 'web'));
    await commit('web/compose.yaml', 'services: {}', 'Begin');
    const source = await openSource({ DIR: join(app, 'web') });
    expect(source.name).toBe('my-app');
    expect(source.note).toContain(`a part of ${app}`);
  });

  it.each<[string, () => Promise<string>, RegExp, RegExp]>([
    [
      'a folder that is missing',
      async () => join(temp, 'gone'),
      /^There is no folder .*gone\.$/,
      /make try DIR=/,
    ],
    ['a folder without git', async () => temp, /is not a git repository\.$/, /git init && git add --all/],
    ['a repository without a commit', async () => app, /has no commit yet\.$/, /git commit/],
    [
      'a bare repository',
      async () => {
        await git(temp, 'init', '--quiet', '--bare', 'bare.git');
        return join(temp, 'bare.git');
      },
      /is a bare repository/,
      /REPO=file:\/\//,
    ],
    ["git's own folder", async () => join(app, '.git'), /a part of git's own folder/, /the folder above/],
  ])('says what is wrong with %s, and what to do', async (_, make, says, fix) => {
    const error = await openSource({ DIR: await make() }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(OperatorError);
    expect(error).toMatchObject({ message: expect.stringMatching(says), fix: expect.stringMatching(fix) });
  });

  it('is named by DIR or REPO, not by both or none', async () => {
    await expect(openSource({})).rejects.toThrow('Which repository');
    await expect(openSource({ DIR: app, REPO: app })).rejects.toThrow('DIR and REPO are both set');
  });

  it('may be an address, whose new commits are fetched, and nothing of the copy is left', async () => {
    await commit('compose.yaml', 'services: {}', 'Begin');
    const source = await openSource({ REPO: `file://${app}` }, 0);
    const next = await commit('compose.yaml', 'services: { web: {} }', 'Go on');
    expect((await source.newest()).sha).toBe(next);
    await source.close();
    await expect(readdir(join(source.objects, '..'))).rejects.toThrow('ENOENT');
    await expect(openSource({ REPO: `file://${temp}/gone.git` })).rejects.toThrow(
      /gone\.git could not be fetched: ./,
    );
  });

  it('is pushed without its history, and nothing is written into it', async () => {
    const remote = join(temp, 'remote.git');
    await git(temp, 'init', '--quiet', '--bare', '--initial-branch', 'main', remote);
    const base = await git(
      remote,
      'commit-tree',
      await git(remote, 'hash-object', '-t', 'tree', '-w', '/dev/null'),
      '-m',
      'x',
    );
    await git(remote, 'update-ref', 'refs/heads/main', base);
    await commit('old.txt', 'old', 'Old');
    await git(app, 'rm', '--quiet', 'old.txt');
    await commit('compose.yaml', 'services: {}', 'Begin');
    const before = await git(app, 'count-objects', '--verbose');
    const source = await openSource({ DIR: app });
    const pusher = await createTreePusher(source, remote, 'try');
    const first = await pusher.push(await source.newest());
    await commit('more.txt', 'more', 'Go on');
    await pusher.push(await source.newest());
    await pusher.remove();
    expect(await git(remote, 'log', '--format=%an %s', 'try')).toBe('Ada Go on\nAda Begin\nAda x');
    expect(await git(remote, 'ls-tree', '--name-only', 'try')).toBe('compose.yaml\nmore.txt');
    expect(await git(remote, 'rev-parse', 'try^')).toBe(first);
    expect(before).not.toContain(first);
    await expect(git(app, 'cat-file', '-e', first)).rejects.toThrow();
  });
});
