import { applyPush } from './apply-push.ts';
import {
  created,
  noContent,
  type Operations,
  ok,
  onRepository,
  type Reply,
  type RepositoryCall,
  reading,
  writing,
} from './call.ts';
import type { TreeEntry } from './git-store.ts';
import { GithubError, notFound } from './github-error.ts';
import { nodeId, repositoryApi } from './links.ts';
import { presentContent, presentGitCommit } from './present-commit.ts';
import { isObject } from './request-body.ts';

const reads = reading('contents');
const writes = writing('write', 'contents');

/** The operations on git's data: commits, files, archives, and the git data API. */
export const gitOperations: Operations = {
  'repos/list-branches-for-head-commit': onRepository(reads, (call) => {
    const sha = call.path['commit_sha'] ?? '';
    const url = `${repositoryApi(call.github.links, call.repository)}/commits/${sha}`;
    const heads = [...call.repository.branches].filter(([, head]) => head === sha);
    return ok(heads.map(([name]) => ({ name, commit: { sha, url }, protected: false })));
  }),

  'repos/get-content': onRepository(reads, getContent),

  'repos/download-tarball-archive': onRepository(reads, async (call) => {
    const ref = call.path['ref'] || call.repository.defaultBranch;
    const sha = await call.store.resolve(call.repository.id, ref);
    if (!sha) throw notFound();
    return { status: 302, headers: { location: call.archives.address(call.repository, sha) } };
  }),

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
