import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { foldersAbove, judgeEntry, leftOut, linkLeaves, namesLeftOut, needsGit } from './archive-rules.ts';
import { type Checkout, type Manifest, openCheckout } from './checkout.ts';
import { failWith } from './deploy-failure.ts';
import { readTar, type TarEntry } from './read-tar.ts';

/**
 * A repository larger than this cannot be checked out in the time of a preview; the limit protects against tar bombs.
 */
const MAX_BYTES = 8 * 1024 * 1024 * 1024;
const MAX_ENTRIES = 500_000;
/** Each link is followed for up to 1,000 steps. */
const MAX_LINKS = 50_000;
/** `.gitmodules` and `.gitattributes` are read to see whether git is needed. */
const MAX_RULE_FILE = 1024 * 1024;

export interface Survey {
  /** Why the archive is not enough. */
  git: string | undefined;
  paths: string[];
  /** Links that lead out of the repository; they are left out. */
  leaving: ReadonlySet<string>;
  warnings: string[];
}

/**
 * First reading: every entry is checked before any file is touched, so that a refused archive leaves the previous
 * generation's files as they are.
 */
export async function surveyArchive(file: string): Promise<Survey> {
  let git: string | undefined;
  let bytes = 0;
  const paths = new Set<string>();
  const folders = new Set<string>();
  const links = new Map<string, string>();
  const unreadable: string[] = [];
  for await (const entry of entriesOf(file)) {
    bytes += entry.size;
    if (bytes > MAX_BYTES) failWith('source', 'The repository is larger than 8 GB unpacked.');
    const verdict = judgeEntry(entry);
    if (!verdict.take) {
      if (verdict.reason === 'refused') failWith('source', verdict.sentence);
      if (verdict.reason === 'unreadable-name') unreadable.push(verdict.path);
      continue;
    }
    const { path } = verdict;
    for (const folder of foldersAbove(path)) folders.add(folder);
    if (entry.type === 'folder') {
      folders.add(path);
    } else {
      // The file at this path would depend on the order of the entries.
      if (paths.has(path)) failWith('source', `The archive contains \`${path}\` twice.`);
      paths.add(path);
    }
    if (paths.size + folders.size > MAX_ENTRIES)
      failWith('source', 'The repository has more than 500,000 files.');
    if (entry.type === 'symlink') links.set(path, entry.link);
    if (links.size > MAX_LINKS) failWith('source', 'The repository has more than 50,000 symbolic links.');
    if (/(?:^|\/)\.git(?:modules|attributes)$/.test(path) && entry.size <= MAX_RULE_FILE) {
      git ??= needsGit(path, (await read(entry)).toString());
    }
  }
  const both = [...folders].find((folder) => paths.has(folder));
  if (both) failWith('source', `The archive contains \`${both}\` both as a folder and as a file or link.`);
  const leaving = new Set([...links.keys()].filter((path) => linkLeaves(path, links)));
  return {
    git,
    paths: [...paths].filter((path) => !leaving.has(path)),
    leaving,
    warnings: [...leftOut([...leaving]), ...namesLeftOut(unreadable)],
  };
}

/** Second reading: writes the files that differ; before that, `openCheckout` deletes the files of `previous`. */
export async function extractArchive(
  file: string,
  root: string,
  previous: Manifest,
  survey: Survey,
  signal: AbortSignal,
): Promise<Manifest> {
  const checkout: Checkout = await openCheckout(root, previous, survey.paths);
  const manifest: Manifest = {};
  try {
    for await (const entry of entriesOf(file)) {
      signal.throwIfAborted();
      const verdict = judgeEntry(entry);
      if (!verdict.take || survey.leaving.has(verdict.path)) continue;
      if (entry.type === 'symlink') {
        await checkout.link(verdict.path, entry.link);
        manifest[verdict.path] = `link ${entry.link}`;
      } else if (entry.type === 'file') {
        const body = await read(entry);
        await checkout.write(verdict.path, body, entry.executable);
        manifest[verdict.path] =
          `${entry.executable ? 'x' : '-'} ${createHash('sha256').update(body).digest('hex')}`;
      }
    }
  } finally {
    await checkout.close();
  }
  return manifest;
}

async function* entriesOf(file: string): AsyncGenerator<TarEntry> {
  const stream = createReadStream(file).on('error', (error) => unzip.destroy(error));
  const unzip = createGunzip();
  stream.pipe(unzip);
  try {
    yield* readTar(unzip);
  } finally {
    stream.destroy();
    unzip.destroy();
  }
}

async function read(entry: TarEntry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
