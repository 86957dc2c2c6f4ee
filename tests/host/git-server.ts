import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

/** Git repositories over smart HTTP, behind a token, served by git's own backend. */
export interface GitServer {
  url(name: string): string;
  /** Commits these files (and submodules: path -> repository) and returns the commit. */
  commit(name: string, files: Record<string, string>, submodules?: Record<string, string>): string;
  close(): Promise<void>;
}

export const TOKEN = 'ghs_read_only_token';

export async function startGitServer(root: string): Promise<GitServer> {
  const expected = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      return;
    }
    const [path, query = ''] = (request.url ?? '').split('?');
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: join(root, 'bare'),
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
    });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.on('close', () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf('\r\n\r\n');
      const headers = all
        .toString('latin1', 0, end)
        .split('\r\n')
        .map((line) => line.split(/: ?/, 2) as [string, string]);
      const status = Number(headers.find(([name]) => name === 'Status')?.[1].split(' ')[0] ?? 200);
      response
        .writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== 'Status')))
        .end(all.subarray(end + 4));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme/${name}.git`;

  return {
    url,
    commit(name, files, submodules = {}) {
      const bare = join(root, 'bare/acme', `${name}.git`);
      const work = join(root, 'work', `${name}-${Math.random()}`);
      const git = (folder: string, ...args: string[]) =>
        execFileSync(
          'git',
          ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'protocol.file.allow=always', ...args],
          { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
        ).trim();
      mkdirSync(bare, { recursive: true });
      git(bare, 'init', '--quiet', '--bare', '.');
      git(bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
      mkdirSync(work, { recursive: true });
      git(work, 'init', '--quiet', '.');
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(work, path)), { recursive: true });
        writeFileSync(join(work, path), text, { mode: path.endsWith('.sh') ? 0o755 : 0o644 });
      }
      for (const [path, repository] of Object.entries(submodules)) {
        git(work, 'submodule', '--quiet', 'add', join(root, 'bare/acme', `${repository}.git`), path);
        // The address is the SSH form that people use on GitHub.
        git(
          work,
          'config',
          '--file',
          '.gitmodules',
          `submodule.${path}.url`,
          `git@${new URL(url(repository)).host}:acme/${repository}.git`,
        );
      }
      git(work, 'add', '--all');
      git(work, 'commit', '--quiet', '--message', 'commit');
      git(work, 'push', '--quiet', '--force', bare, 'HEAD:refs/heads/main');
      git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/main');
      return git(work, 'rev-parse', 'HEAD');
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
