import type { CommitInfo, TreeEntry } from './git-store.ts';
import type { Repository } from './github-state.ts';
import { type Links, nodeId, repositoryApi, repositoryHtml } from './links.ts';

type Json = Record<string, unknown>;

const verification = {
  verified: false,
  reason: 'unsigned',
  signature: null,
  payload: null,
  verified_at: null,
};

/** The form of the git data API. */
export function presentGitCommit(links: Links, repository: Repository, commit: CommitInfo): Json {
  const api = repositoryApi(links, repository);
  const html = repositoryHtml(links, repository);
  return {
    sha: commit.sha,
    node_id: nodeId('C', commit.sha),
    url: `${api}/git/commits/${commit.sha}`,
    html_url: `${html}/commit/${commit.sha}`,
    author: commit.author,
    committer: commit.committer,
    tree: { sha: commit.tree, url: `${api}/git/trees/${commit.tree}` },
    message: commit.message,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${api}/git/commits/${sha}`,
      html_url: `${html}/commit/${sha}`,
    })),
    verification,
  };
}

/** An entry of a folder, or a file without its content. */
export function presentContent(links: Links, repository: Repository, ref: string, entry: TreeEntry): Json {
  const path = encodePath(entry.path);
  const api = repositoryApi(links, repository);
  const self = `${api}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const folder = entry.type === 'tree';
  const git = `${api}/git/${folder ? 'trees' : 'blobs'}/${entry.sha}`;
  const html = `${repositoryHtml(links, repository)}/${folder ? 'tree' : 'blob'}/${encodeURIComponent(ref)}/${path}`;
  return {
    name: entry.path.split('/').at(-1),
    path: entry.path,
    sha: entry.sha,
    size: entry.size ?? 0,
    url: self,
    html_url: html,
    git_url: git,
    download_url: folder
      ? null
      : `${repositoryHtml(links, repository)}/raw/${encodeURIComponent(ref)}/${path}`,
    type: folder ? 'dir' : 'file',
    _links: { self, git, html },
  };
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
