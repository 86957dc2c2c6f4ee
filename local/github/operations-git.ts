import { applyPush } from './apply-push.ts';
import type { ArchiveFormat } from './archives.ts';
import {
  commitOf,
  created,
  noContent,
  type Operations,
  ok,
  okPage,
  onRepository,
  type Reply,
  type RepositoryCall,
  reading,
  writing,
} from './call.ts';
import type { TreeEntry } from './git-store.ts';
import { GithubError, notFound } from './github-error.ts';
import { nodeId, repositoryApi, repositoryHtml } from './links.ts';
import { presentCommit, presentContent, presentFileChange, presentGitCommit } from './present-commit.ts';
import { isObject } from './request-body.ts';

const reads = reading('contents');
const writes = writing('write', 'contents');

/** What is in git: branches, commits, files, archives, and the git data API. */
export const gitOperations: Operations = {
  'repos/list-branches': onRepository(reads, (call) =>
    okPage(call, [...call.repository.branches], ([name, sha]) => ({
      name,
      commit: { sha, url: `${repositoryApi(call.github.links, call.repository)}/commits/${sha}` },
      protected: false,
    })),
  ),

  'repos/get-branch': onRepository(reads, async (call) => {
    const name = call.path['branch'] ?? '';
    const sha = call.repository.branches.get(name);
    if (!sha) throw new GithubError(404, 'Branch not found');
    const commit = await call.store.commit(call.repository.id, sha);
    const self = `${repositoryApi(call.github.links, call.repository)}/branches/${encodeURIComponent(name)}`;
    return ok({
      name,
      commit: presentCommit(call.github.links, call.repository, commit),
      _links: {
        self,
        html: `${repositoryHtml(call.github.links, call.repository)}/tree/${encodeURIComponent(name)}`,
      },
      protected: false,
      protection: { enabled: false },
      protection_url: `${self}/protection`,
    });
  }),

  'repos/list-branches-for-head-commit': onRepository(reads, (call) => {
    const sha = call.path['commit_sha'] ?? '';
    const url = `${repositoryApi(call.github.links, call.repository)}/commits/${sha}`;
    const heads = [...call.repository.branches].filter(([, head]) => head === sha);
    return ok(heads.map(([name]) => ({ name, commit: { sha, url }, protected: false })));
  }),

  'repos/get-commit': onRepository(reads, async (call) => {
    const { github, repository, store } = call;
    const commit = await store.commit(repository.id, await commitOf(call, call.path['ref'] ?? ''));
    const [parent] = commit.parents;
    const files = parent ? await store.changes(repository.id, parent, commit.sha) : [];
    const additions = files.reduce((sum, file) => sum + file.additions, 0);
    const deletions = files.reduce((sum, file) => sum + file.deletions, 0);
    return ok({
      ...presentCommit(github.links, repository, commit),
      stats: { total: additions + deletions, additions, deletions },
      files: files.map((file) => presentFileChange(github.links, repository, commit.sha, file)),
    });
  }),

  'repos/get-content': onRepository(reads, getContent),
  'repos/create-or-update-file-contents': onRepository(writes, (call) => writeContent(call, false)),
  'repos/delete-file': onRepository(writes, (call) => writeContent(call, true)),

  'repos/download-tarball-archive': onRepository(reads, (call) => archive(call, 'tar.gz')),
  'repos/download-zipball-archive': onRepository(reads, (call) => archive(call, 'zip')),

  'git/get-ref': onRepository(reads, (call) => {
    const name = branchName(call);
    const sha = call.repository.branches.get(name);
    if (!sha) throw notFound();
    return ok(presentRef(call, name, sha));
  }),

  'git/create-ref': onRepository(writes, async (call) => {
    const name = (call.body.text('ref') ?? '').replace(/^refs\/heads\//, '');
    if (call.repository.branches.has(name)) throw new GithubError(422, 'Reference already exists');
    await moveBranch(call, name, await knownSha(call));
    return created(presentRef(call, name, call.body.text('sha') ?? ''));
  }),

  'git/update-ref': onRepository(writes, async (call) => {
    const name = branchName(call);
    const before = call.repository.branches.get(name);
    if (!before) throw new GithubError(422, 'Reference does not exist');
    const sha = await knownSha(call);
    const forward = await call.store.isAncestor(call.repository.id, before, sha);
    if (!forward && !call.body.flag('force')) throw new GithubError(422, 'Update is not a fast forward');
    await moveBranch(call, name, sha);
    return ok(presentRef(call, name, sha));
  }),

  'git/delete-ref': onRepository(writes, async (call) => {
    const name = branchName(call);
    if (!call.repository.branches.has(name)) throw new GithubError(422, 'Reference does not exist');
    await call.store.deleteRef(call.repository.id, `refs/heads/${name}`);
    await applyPush(call.github, call.store, call.repository, call.sender());
    return noContent;
  }),

  'git/create-blob': onRepository(writes, async (call) => {
    const encoding = call.body.text('encoding') === 'base64' ? 'base64' : 'utf8';
    const bytes = Buffer.from(call.body.text('content') ?? '', encoding);
    const sha = await call.store.writeBlob(call.repository.id, bytes);
    return created({ sha, url: `${repositoryApi(call.github.links, call.repository)}/git/blobs/${sha}` });
  }),

  'git/get-blob': onRepository(reads, async (call) => {
    const sha = call.path['file_sha'] ?? '';
    const bytes = /^[0-9a-f]{40}$/.test(sha) ? await call.store.blob(call.repository.id, sha) : undefined;
    if (!bytes) throw notFound();
    return ok({
      sha,
      node_id: nodeId('B', sha),
      size: bytes.length,
      url: `${repositoryApi(call.github.links, call.repository)}/git/blobs/${sha}`,
      content: bytes.toString('base64'),
      encoding: 'base64',
    });
  }),

  'git/create-tree': onRepository(writes, async (call) => {
    const { body, repository, store } = call;
    const entries: { path: string; mode: string; sha: string | null }[] = [];
    for (const raw of body.list('tree') ?? []) {
      if (!isObject(raw) || typeof raw['path'] !== 'string') continue;
      const content = raw['content'];
      const sha =
        typeof content === 'string' ? await store.writeBlob(repository.id, Buffer.from(content)) : raw['sha'];
      const mode = typeof raw['mode'] === 'string' ? raw['mode'] : '100644';
      entries.push({ path: raw['path'], mode, sha: typeof sha === 'string' ? sha : null });
    }
    const tree = await store.writeTree(repository.id, body.text('base_tree'), entries);
    return created(await presentTree(call, tree, false));
  }),

  'git/get-tree': onRepository(reads, async (call) => {
    const ref = call.path['tree_sha'] ?? '';
    const commit = await call.store.resolve(call.repository.id, ref);
    const sha = commit ? (await call.store.commit(call.repository.id, commit)).tree : ref;
    return ok(await presentTree(call, sha, call.query['recursive'] !== undefined));
  }),

  'git/create-commit': onRepository(writes, async (call) => {
    const { body, github, repository, store } = call;
    const sha = await store.writeCommit(
      repository.id,
      body.text('tree') ?? '',
      body.texts('parents') ?? [],
      body.text('message') ?? '',
      call.sender().login,
    );
    return created(presentGitCommit(github.links, repository, await store.commit(repository.id, sha)));
  }),

  'git/get-commit': onRepository(reads, async (call) => {
    const sha = await call.store.resolve(call.repository.id, call.path['commit_sha'] ?? '');
    if (!sha) throw notFound();
    const commit = await call.store.commit(call.repository.id, sha);
    return ok(presentGitCommit(call.github.links, call.repository, commit));
  }),
};

async function archive(call: RepositoryCall, format: ArchiveFormat): Promise<Reply> {
  const ref = call.path['ref'] || call.repository.defaultBranch;
  const sha = await call.store.resolve(call.repository.id, ref);
  if (!sha) throw notFound();
  return { status: 302, headers: { location: call.archives.address(call.repository, format, sha) } };
}

/** A file with its content, or a folder as a list. */
async function getContent(call: RepositoryCall): Promise<Reply> {
  const { github, repository, store } = call;
  const ref = call.query['ref'] ?? repository.defaultBranch;
  const path = (call.path['path'] ?? '').replace(/^\/+|\/+$/g, '');
  const commit = await store.resolve(repository.id, ref);
  if (!commit) throw new GithubError(404, `No commit found for the ref ${ref}`);
  const present = (entry: TreeEntry) => presentContent(github.links, repository, ref, entry);
  const entries = await store.tree(repository.id, commit, true);
  const entry = entries.find((one) => one.path === path);
  if (path === '' || entry?.type === 'tree') {
    const prefix = path === '' ? '' : `${path}/`;
    const inside = entries.filter(
      (one) => one.path.startsWith(prefix) && !one.path.slice(prefix.length).includes('/'),
    );
    return ok(inside.map(present));
  }
  if (!entry) throw notFound();
  const bytes = await store.blob(repository.id, entry.sha);
  if (!bytes) throw notFound();
  if (call.accept.includes('raw')) return { status: 200, text: new Uint8Array(bytes) };
  return ok({ ...present(entry), content: bytes.toString('base64'), encoding: 'base64' });
}

/** One commit that writes or deletes one file. @throws 409 if the file is not the one that was meant */
async function writeContent(call: RepositoryCall, deleting: boolean): Promise<Reply> {
  const { body, github, repository, store } = call;
  const path = call.path['path'] ?? '';
  const branch = body.text('branch') ?? repository.defaultBranch;
  const parent = repository.branches.get(branch);
  if (!parent && repository.branches.size > 0) throw new GithubError(404, `Branch ${branch} not found`);
  const before = parent
    ? (await store.tree(repository.id, parent, true)).find((one) => one.path === path)
    : undefined;
  if (before && body.text('sha') === undefined) {
    throw new GithubError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.');
  }
  if (body.text('sha') !== undefined && body.text('sha') !== before?.sha) {
    throw new GithubError(409, `${path} does not match ${body.text('sha')}`);
  }
  const content = Buffer.from(body.text('content') ?? '', 'base64');
  const sha = deleting ? null : await store.writeBlob(repository.id, content);
  const tree = await store.writeTree(repository.id, parent, [{ path, mode: before?.mode ?? '100644', sha }]);
  const sender = call.sender();
  const parents = parent ? [parent] : [];
  const commit = await store.writeCommit(
    repository.id,
    tree,
    parents,
    body.text('message') ?? '',
    sender.login,
  );
  await moveBranch(call, branch, commit);
  const entry: TreeEntry = { mode: '100644', type: 'blob', sha: sha ?? '', size: content.length, path };
  return {
    status: before || deleting ? 200 : 201,
    body: {
      content: sha === null ? null : presentContent(github.links, repository, branch, entry),
      commit: presentGitCommit(github.links, repository, await store.commit(repository.id, commit)),
    },
  };
}

async function moveBranch(call: RepositoryCall, name: string, sha: string): Promise<void> {
  await call.store.setRef(call.repository.id, `refs/heads/${name}`, sha);
  await applyPush(call.github, call.store, call.repository, call.sender());
}

async function knownSha(call: RepositoryCall): Promise<string> {
  const sha = await call.store.resolve(call.repository.id, call.body.text('sha') ?? '');
  if (!sha) throw new GithubError(422, 'Object does not exist');
  return sha;
}

/** `heads/<branch>`: tags are not kept here. */
function branchName(call: RepositoryCall): string {
  return (call.path['ref'] ?? '').replace(/^heads\//, '');
}

function presentRef(call: RepositoryCall, branch: string, sha: string) {
  const api = repositoryApi(call.github.links, call.repository);
  return {
    ref: `refs/heads/${branch}`,
    node_id: nodeId('REF', `${call.repository.id}:${branch}`),
    url: `${api}/git/refs/heads/${branch}`,
    object: { type: 'commit', sha, url: `${api}/git/commits/${sha}` },
  };
}

async function presentTree(call: RepositoryCall, sha: string, recursive: boolean) {
  const entries = await call.store.tree(call.repository.id, sha, recursive);
  if (entries.length === 0) throw notFound();
  const api = `${repositoryApi(call.github.links, call.repository)}/git`;
  return {
    sha,
    url: `${api}/trees/${sha}`,
    truncated: false,
    tree: entries.map(({ path, mode, type, sha: entry, size }) => ({
      path,
      mode,
      type,
      sha: entry,
      url: `${api}/${type}s/${entry}`,
      ...(size === undefined ? {} : { size }),
    })),
  };
}
