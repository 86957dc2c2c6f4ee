import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Octokit } from '@octokit/core';
import type { E2eSettings } from './settings.ts';

export type Files = Record<string, string>;

export interface TestBranch {
  name: string;
  /** Commits these files on top; resolves to the SHA. */
  commit(message: string, files: Files): Promise<string>;
  remove(): Promise<void>;
}

/** A branch made through GitHub's API alone, as any client would: no clone, no credentials on disk. */
export async function createTestBranch(
  octokit: Octokit,
  settings: Pick<E2eSettings, 'TEST_GITHUB_REPO'>,
  name: string,
): Promise<TestBranch> {
  const [owner = '', repo = ''] = settings.TEST_GITHUB_REPO.split('/');
  const at = { owner, repo };
  const { data: repository } = await octokit.request('GET /repos/{owner}/{repo}', at);
  const base = await octokit.request('GET /repos/{owner}/{repo}/git/ref/{ref}', {
    ...at,
    ref: `heads/${repository.default_branch}`,
  });
  let head = base.data.object.sha;
  await octokit.request('POST /repos/{owner}/{repo}/git/refs', {
    ...at,
    ref: `refs/heads/${name}`,
    sha: head,
  });

  return {
    name,
    async commit(message, files) {
      const parent = await octokit.request('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', {
        ...at,
        commit_sha: head,
      });
      const tree = await octokit.request('POST /repos/{owner}/{repo}/git/trees', {
        ...at,
        base_tree: parent.data.tree.sha,
        tree: Object.entries(files).map(([path, content]) => ({
          path,
          mode: '100644',
          type: 'blob',
          content,
        })),
      });
      const commit = await octokit.request('POST /repos/{owner}/{repo}/git/commits', {
        ...at,
        message,
        tree: tree.data.sha,
        parents: [head],
      });
      head = commit.data.sha;
      await octokit.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', {
        ...at,
        ref: `heads/${name}`,
        sha: head,
      });
      return head;
    },
    async remove() {
      await octokit.request('DELETE /repos/{owner}/{repo}/git/refs/{ref}', { ...at, ref: `heads/${name}` });
    },
  };
}

export async function readSample(folder: string): Promise<Files> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Files = {};
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(folder, path)] = await readFile(path, 'utf8');
  }
  return files;
}
