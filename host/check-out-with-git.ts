import { mkdir, readlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { MailboxSpec } from '../lambdas/providers/ec2/mailbox.ts';
import { leftOut, linkLeaves } from './archive-rules.ts';
import { type Manifest, removeGone } from './checkout.ts';
import { failWith } from './deploy-failure.ts';
import type { CommandResult, RunCommand } from './run-command.ts';

/**
 * Checks a commit out with git, for repositories whose archive is not the whole truth.
 *
 * Gotchas
 * - The token travels in the environment (`GIT_CONFIG_*`), as a header for the repository's own server
 *   only: never in `.git/config`, in an address, or in the process list.
 * - Hooks and `ext::` addresses of the repository would run as root on the host: hooks are off, protocols
 *   are limited. What runs in containers is another matter.
 * - The token reads one repository. A private submodule fails, and the sentence says so.
 */
type GitSource = Extract<MailboxSpec['source'], { kind: 'git' }>;

export async function checkOutWithGit(
  source: GitSource,
  folder: string,
  previous: Manifest,
  run: RunCommand,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; warnings: string[] }> {
  await mkdir(folder, { recursive: true });
  const env = gitEnvironment(source);
  const git = (...args: string[]) => run('git', args, { cwd: folder, env, signal });
  const must = async (what: string, ...args: string[]) => {
    const result = await git(...args);
    signal.throwIfAborted();
    if (result.code !== 0) failWith('source', `${what}: ${lastLine(result)}`, { log: lines(result.stderr) });
    return result;
  };
  await must('git could not be set up on the host', 'init', '--quiet', '.');
  await must('git could not be set up on the host', 'config', 'remote.origin.url', source.url);
  await must(
    'GitHub did not give the commit to git',
    'fetch',
    '--quiet',
    '--depth=1',
    '--no-tags',
    '--force',
    source.url,
    source.sha,
  );
  const listed = await must(
    'git could not list the commit',
    'ls-tree',
    '-r',
    '-z',
    '--name-only',
    'FETCH_HEAD',
  );
  const paths = listed.stdout.split('\0');
  await removeGone(folder, outside(previous, paths), paths);
  await must(
    'git could not check the commit out',
    'checkout',
    '--quiet',
    '--force',
    '--detach',
    'FETCH_HEAD',
  );
  await must(
    'A submodule could not be fetched (Eph may only read this repository; a private submodule needs to be public, or copied in)',
    'submodule',
    'update',
    '--quiet',
    '--init',
    '--recursive',
    '--force',
    '--depth=1',
  );
  const warnings = await fetchLfs(git, must);
  const manifest = await manifestOf(
    await must('git could not list its files', 'ls-files', '-s', '-z', '--recurse-submodules'),
  );
  return { manifest, warnings: [...warnings, ...(await removeLeavingLinks(folder, manifest))] };
}

function gitEnvironment(source: GitSource): Record<string, string> {
  const { origin, host } = new URL(source.url);
  const login = Buffer.from(`x-access-token:${source.token}`).toString('base64');
  const settings: [string, string][] = [
    [`http.${origin}/.extraHeader`, `Authorization: Basic ${login}`],
    [`url.${origin}/.insteadOf`, `git@${host}:`],
    [`url.${origin}/.insteadOf`, `ssh://git@${host}/`],
    ['safe.directory', '*'],
    ['core.hooksPath', '/dev/null'],
    ['protocol.file.allow', 'never'],
    ['protocol.ext.allow', 'never'],
    ['advice.detachedHead', 'false'],
  ];
  const numbered = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    ...Object.fromEntries(numbered),
    GIT_CONFIG_COUNT: String(settings.length),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    HOME: '/nonexistent',
  };
}

/** A submodule is one path in the commit; its files are for `submodule update` to replace. */
function outside(previous: Manifest, paths: readonly string[]): Manifest {
  const known = new Set(paths);
  const inSubmodule = (path: string) =>
    path.split('/').some((_, index, parts) => index > 0 && known.has(parts.slice(0, index).join('/')));
  return Object.fromEntries(Object.entries(previous).filter(([path]) => !inSubmodule(path)));
}

async function fetchLfs(
  git: (...args: string[]) => Promise<CommandResult>,
  must: (what: string, ...args: string[]) => Promise<CommandResult>,
): Promise<string[]> {
  const uses = await git('grep', '--quiet', '-I', 'filter=lfs', '--', '.gitattributes', '**/.gitattributes');
  if (uses.code !== 0) return [];
  if ((await git('lfs', 'version')).code !== 0) {
    return ['The repository uses Git LFS, which this host does not have: large files are pointers.'];
  }
  await must('Git LFS could not fetch its files', 'lfs', 'pull');
  return [];
}

/** `<mode> <blob> <stage>\t<path>` */
async function manifestOf(listed: CommandResult): Promise<Manifest> {
  const manifest: Manifest = {};
  for (const record of listed.stdout.split('\0')) {
    const match = /^(\d{6}) ([0-9a-f]+) \d\t(.+)$/s.exec(record);
    const [, mode, blob, path] = match ?? [];
    if (!mode || !blob || !path || mode === '160000') continue;
    manifest[path] = `${mode} ${blob}`;
  }
  return manifest;
}

/** Also takes them out of the manifest. */
async function removeLeavingLinks(folder: string, manifest: Manifest): Promise<string[]> {
  const links = new Map<string, string>();
  for (const path of Object.keys(manifest).filter((name) => manifest[name]?.startsWith('120000'))) {
    const target = await readlink(join(folder, path)).catch(() => undefined);
    if (target !== undefined) links.set(path, target);
  }
  const leaving = [...links.keys()].filter((path) => linkLeaves(path, links));
  for (const path of leaving) {
    await unlink(join(folder, path));
    delete manifest[path];
  }
  return leftOut(leaving);
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-20);
}

function lastLine(result: CommandResult): string {
  return lines(result.stderr).at(-1)?.slice(0, 500) ?? `git ended with code ${result.code}`;
}
