import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { judgeEntry, needsGit } from './archive-rules.ts';
import { type Checkout, type Manifest, openCheckout } from './checkout.ts';
import { failWith } from './deploy-failure.ts';
import { readTar, type TarEntry } from './read-tar.ts';

/** A repository of this size is not checked out in a preview's time; the limit is against tar bombs. */
const MAX_BYTES = 8 * 1024 * 1024 * 1024;
const MAX_ENTRIES = 500_000;
/** `.gitmodules` and `.gitattributes` are read to see whether git is needed. */
const MAX_RULE_FILE = 1024 * 1024;

export interface Survey {
  /** Why the archive is not enough. */
  git: string | undefined;
  paths: string[];
  warnings: string[];
}

/**
 * First reading: everything is looked at before anything is touched, so that a refused archive leaves the
 * previous generation's files alone.
 */
export async function surveyArchive(file: string): Promise<Survey> {
  const survey: Survey = { git: undefined, paths: [], warnings: [] };
  let bytes = 0;
  for await (const entry of entriesOf(file)) {
    bytes += entry.size;
    if (bytes > MAX_BYTES) failWith('source', 'The repository is larger than 8 GB unpacked.');
    if (survey.paths.length > MAX_ENTRIES) failWith('source', 'The repository has more than 500,000 files.');
    const verdict = judgeEntry(entry);
    if (verdict.take) {
      if (entry.type !== 'folder') survey.paths.push(verdict.path);
      if (/(?:^|\/)\.git(?:modules|attributes)$/.test(verdict.path) && entry.size <= MAX_RULE_FILE) {
        survey.git ??= needsGit(verdict.path, (await read(entry)).toString());
      }
    } else if (verdict.reason === 'refused') {
      failWith('source', verdict.sentence);
    } else if (verdict.reason === 'unreadable-name') {
      survey.warnings.push(`\`${verdict.path}\` has a name that is not UTF-8 and was left out.`);
    } else if (verdict.reason === 'leaving-link') {
      survey.warnings.push(`\`${verdict.path}\` is a link to outside the repository and was left out.`);
    }
  }
  return survey;
}

/** Second reading: writes the files that differ; `previous` is deleted before by `openCheckout`. */
export async function extractArchive(
  file: string,
  root: string,
  previous: Manifest,
  survey: Survey,
  signal: AbortSignal,
): Promise<Manifest> {
  const checkout: Checkout = await openCheckout(root, previous, survey.paths);
  const manifest: Manifest = {};
  for await (const entry of entriesOf(file)) {
    signal.throwIfAborted();
    const verdict = judgeEntry(entry);
    if (!verdict.take) continue;
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
