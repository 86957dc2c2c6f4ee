import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOutWithGit } from '../../host/check-out-with-git.ts';
import type { Manifest } from '../../host/checkout.ts';
import { runCommand } from '../../host/run-command.ts';
import { type GitServer, startGitServer, TOKEN } from './git-server.ts';

describe('a checkout with git', () => {
  let root: string;
  let server: GitServer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'eph-git-'));
    server = await startGitServer(root);
  });
  afterEach(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const checkout = () => join(root, 'checkout');
  const get = (sha: string, previous: Manifest = {}, token = TOKEN) =>
    checkOutWithGit(
      { kind: 'git', sha, url: server.url('shop'), token },
      checkout(),
      previous,
      runCommand,
      new AbortController().signal,
    );

  it('brings submodules, executable bits and files that archives leave out', async () => {
    server.commit('theme', { 'theme.css': 'body {}' });
    const sha = server.commit(
      'shop',
      { 'run.sh': '#!/bin/sh\n', 'secret.md': 's', '.gitattributes': 'secret.md export-ignore\n' },
      { theme: 'theme' },
    );
    const { manifest, warnings } = await get(sha);
    expect(Object.keys(manifest).sort()).toEqual([
      '.gitattributes',
      '.gitmodules',
      'run.sh',
      'secret.md',
      'theme/theme.css',
    ]);
    expect(readFileSync(join(checkout(), 'theme/theme.css'), 'utf8')).toBe('body {}');
    expect(statSync(join(checkout(), 'run.sh')).mode & 0o111).not.toBe(0);
    expect(warnings).toEqual([]);
  });

  it('replaces the files when it moves to another commit and deletes those that it lacks', async () => {
    const one = await get(server.commit('shop', { 'a.txt': '1', 'old/b.txt': 'b' }));
    const two = await get(server.commit('shop', { 'a.txt': '2' }), one.manifest);
    expect(Object.keys(two.manifest)).toEqual(['a.txt']);
    expect(two.manifest['a.txt']).not.toBe(one.manifest['a.txt']);
    expect(readFileSync(join(checkout(), 'a.txt'), 'utf8')).toBe('2');
    expect(existsSync(join(checkout(), 'old'))).toBe(false);
  });

  it('leaves no token on the disk', async () => {
    await get(server.commit('shop', { 'a.txt': '1' }));
    const encoded = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
    for (const secret of [TOKEN, encoded]) {
      expect(() => execFileSync('grep', ['-r', secret, checkout()])).toThrow();
    }
  });

  it('runs no hook of the repository', async () => {
    mkdirSync(join(checkout(), '.git/hooks'), { recursive: true });
    execFileSync('sh', [
      '-c',
      `printf '#!/bin/sh\\ntouch ${root}/hooked\\n' > '${checkout()}/.git/hooks/post-checkout'; chmod +x '${checkout()}/.git/hooks/post-checkout'`,
    ]);
    await get(server.commit('shop', { 'a.txt': '1' }));
    expect(existsSync(join(root, 'hooked'))).toBe(false);
  });

  it('names the problem: a token that is not valid, a submodule that may not be read', async () => {
    const sha = server.commit('shop', { 'a.txt': '1' });
    await expect(get(sha, {}, 'wrong')).rejects.toThrow('GitHub did not give the commit to git');
    server.commit('gone', { 'x.txt': 'x' });
    const withGone = server.commit('shop', { 'a.txt': '1' }, { gone: 'gone' });
    await rm(join(root, 'bare/acme/gone.git'), { recursive: true });
    await expect(get(withGone)).rejects.toThrow('A submodule could not be fetched');
  });
});
