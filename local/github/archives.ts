import { spawn } from 'node:child_process';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import { gitEnvironment } from './git-command.ts';
import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import type { Repository } from './github-state.ts';
import { fullName } from './links.ts';

/**
 * Archives, in GitHub's two steps: the API answers with a temporary address (302), and for five minutes that address
 * gives the bytes to everybody, without a token.
 *
 * The archive is what `git archive` makes: `export-ignore` and `export-subst` are honoured, submodules are
 * empty folders, LFS files are pointers. Everything is inside `<owner>-<repo>-<7 of the sha>/`.
 */
const ARCHIVE_LIFE_MS = 5 * 60_000;

const archivePath = /^\/_codeload\/(\d+)\/legacy\.tar\.gz\/([0-9a-f]{40})$/;

export function createArchives(github: Github, store: GitStore, secret: string) {
  const signatureOf = (path: string, expires: string): Buffer =>
    createHmac('sha256', secret).update(`${path} ${expires}`).digest();

  const isSigned = (url: URL): boolean => {
    const expires = url.searchParams.get('expires') ?? '';
    const token = Buffer.from(url.searchParams.get('token') ?? '', 'base64url');
    const right = signatureOf(url.pathname, expires);
    return token.length === right.length && timingSafeEqual(token, right) && Number(expires) > github.now();
  };

  return {
    /** The address of the bytes for the next five minutes. */
    address(repository: Repository, sha: string): string {
      const path = `/_codeload/${repository.id}/legacy.tar.gz/${sha}`;
      const expires = String(github.now() + ARCHIVE_LIFE_MS);
      const token = signatureOf(path, expires).toString('base64url');
      return `${github.links.reachable}${path}?expires=${expires}&token=${token}`;
    },

    /** 404 for an expired or altered address and for a repository that is gone; undefined for other paths. */
    handle(request: Request): Response | undefined {
      const url = new URL(request.url);
      const [, id, sha] = archivePath.exec(url.pathname) ?? [];
      if (!id || !sha) return undefined;
      const repository = github.state.repositories.get(Number(id));
      if (!repository || !isSigned(url)) {
        return new Response('404: Not Found', { status: 404, headers: { 'content-type': 'text/plain' } });
      }
      const folder = `${fullName(repository).replace('/', '-')}-${sha.slice(0, 7)}`;
      const child = spawn(
        'git',
        [
          '--git-dir',
          store.directory(repository.id),
          'archive',
          '--format=tar.gz',
          `--prefix=${folder}/`,
          sha,
        ],
        { env: gitEnvironment, stdio: ['ignore', 'pipe', 'inherit'] },
      );
      return new Response(Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>, {
        headers: {
          'content-type': 'application/x-gzip',
          'content-disposition': `attachment; filename=${folder}.tar.gz`,
        },
      });
    },
  };
}

export type Archives = ReturnType<typeof createArchives>;
