import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { isInside, listOf, type Reach, shown, type Values, valuesOf } from './machine-reach.ts';

/**
 * Which files docker compose reads, as root, while it puts a project together: `include`, `extends`, `env_file` and
 * `label_file` of every file on the way. Its output no longer says where a value came from, and a value read from
 * `env_file: /var/lib/eph/tunnel-token` would look like any other variable.
 *
 * - Relative paths start at the folder that compose-go starts at (loader/include.go, loader/extends.go):
 *   the project's, an included file's (or its `project_directory`), an extended file's.
 * - Compose itself fills in the variables in paths (`interpolate`): code of our own for that would sooner or later
 *   give other results.
 * - Links in the checkout do not leave it (`archive-rules.ts`), so a path that is inside is inside.
 */
export interface ComposeFilesRead {
  root: string;
  /** The project's folder, from which the named files' relative paths start. */
  folder: string;
  files: readonly string[];
  envFiles: readonly string[];
  interpolate(texts: readonly string[], envFiles: readonly string[]): Promise<string[]>;
}

export interface OutsideReads {
  reads: Reach[];
  /**
   * Files that compose may understand and this reader does not; they are reported only if compose does understand
   * them.
   */
  unread: Reach[];
}

/** No real project has larger compose files, or more of them: the limits protect the agent's memory. */
const MAX_BYTES = 1024 * 1024;
const MAX_FILES = 200;
const MAX_ALIASES = 10_000;

interface Source {
  file: string;
  /** The folder at which its relative paths start. */
  base: string;
  envFiles: readonly string[];
  isIncluded: boolean;
}
interface Mention {
  path: string;
  key: string;
}

export async function outsideReads(request: ComposeFilesRead): Promise<OutsideReads> {
  const { root, folder, envFiles } = request;
  const found: OutsideReads = { reads: [], unread: [] };
  const queue: Source[] = request.files.map((file) => ({ file, base: folder, envFiles, isIncluded: true }));
  const seen = new Set<string>();
  for (let source = queue.shift(); source; source = queue.shift()) {
    const key = `${source.file}\0${source.base}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const documents = seen.size > MAX_FILES ? undefined : await documentsOf(source.file);
    if (!documents) {
      found.unread.push({
        subject: 'The compose file',
        asks: `is written in a way that Eph cannot check (${shown(source.file.slice(root.length + 1))})`,
      });
      continue;
    }
    for (const document of documents) {
      const filled = await fillIn(document, source, request);
      const { mentions, sources } = filesOf(filled, source);
      found.reads.push(...mentions.filter((mention) => leaves(mention.path, source.base, root)).map(reachOf));
      queue.push(...sources.filter((next) => isInside(next.file, root)));
    }
  }
  return found;
}

const reachOf = ({ path, key }: Mention): Reach => ({
  subject: 'The compose file',
  asks: `reads ${shown(path)} from outside of the repository (\`${key}\`)`,
});

/** Undefined for content that this reader cannot read; compose reports a file that is missing. */
async function documentsOf(file: string): Promise<Values[] | undefined> {
  try {
    const info = await stat(file).catch(() => undefined);
    if (!info?.isFile()) return [];
    if (info.size > MAX_BYTES) return undefined;
    const documents = parseAllDocuments(await readFile(file, 'utf8'), { merge: true, logLevel: 'silent' });
    if (!Array.isArray(documents)) return [];
    if (documents.some((document) => document.errors.length > 0)) return undefined;
    return documents.map((document) => valuesOf(document.toJS({ maxAliasCount: MAX_ALIASES })));
  } catch {
    return undefined;
  }
}

/** Keeps only the keys that name files, with their variables filled in. */
async function fillIn(document: Values, source: Source, { interpolate }: ComposeFilesRead): Promise<Values> {
  const services = Object.entries(valuesOf(document['services'])).map(([name, service]) => {
    const { extends: base, env_file, label_file } = valuesOf(service);
    return [name, { extends: base, env_file, label_file }];
  });
  const naming: Values = { include: document['include'], services: Object.fromEntries(services) };
  const texts = new Set<string>();
  mapTexts(naming, (text) => {
    if (text.includes('$')) texts.add(text);
    return text;
  });
  if (texts.size === 0) return naming;
  const written = [...texts];
  const envFiles: string[] = [];
  for (const file of source.envFiles) {
    if ((await stat(file).catch(() => undefined))?.isFile()) envFiles.push(file);
  }
  const filled = await interpolate(written, envFiles);
  const values = new Map(written.map((text, index) => [text, filled[index] ?? text]));
  return valuesOf(mapTexts(naming, (text) => values.get(text) ?? text));
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((entry) => mapTexts(entry, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, mapTexts(entry, change)]));
}

function filesOf(document: Values, source: Source): { mentions: Mention[]; sources: Source[] } {
  const mentions: Mention[] = [];
  const sources: Source[] = [];
  const at = (path: string) => posix.resolve(source.base, path);
  // Compose ignores the `include` of an extended file.
  for (const entry of source.isIncluded ? listOf(document['include']) : []) {
    const { path, project_directory, env_file } =
      typeof entry === 'string' ? { path: entry } : (valuesOf(entry) as Values & { path?: unknown });
    const paths = textsOf(path);
    const envFiles = textsOf(env_file);
    const folders = textsOf(project_directory);
    mentions.push(
      ...[...paths, ...folders].map((name) => ({ path: name, key: 'include' })),
      ...envFiles
        .filter((name) => name !== '/dev/null')
        .map((name) => ({ path: name, key: 'include.env_file' })),
    );
    const base = at(folders[0] ?? posix.dirname(paths[0] ?? '.'));
    const env = envFiles.length > 0 ? envFiles.map(at) : [posix.join(base, '.env')];
    sources.push(
      ...paths.map((name) => ({
        file: at(name),
        base,
        envFiles: [...env, ...source.envFiles],
        isIncluded: true,
      })),
    );
  }
  for (const service of Object.values(valuesOf(document['services']))) {
    const { extends: base, env_file, label_file } = valuesOf(service);
    mentions.push(
      ...listOf(env_file)
        .flatMap((entry) => textsOf(typeof entry === 'string' ? entry : valuesOf(entry)['path']))
        .map((path) => ({ path, key: 'env_file' })),
      ...textsOf(label_file).map((path) => ({ path, key: 'label_file' })),
    );
    for (const path of textsOf(valuesOf(base)['file'])) {
      mentions.push({ path, key: 'extends' });
      const file = at(path);
      sources.push({ ...source, file, base: posix.dirname(file), isIncluded: false });
    }
  }
  return { mentions, sources };
}

/** This also applies to `~`, which compose takes for the agent's home, and to addresses, which it fetches. */
function leaves(path: string, base: string, root: string): boolean {
  if (path === '') return false;
  if (/^(?:~|[a-z][a-z0-9+.-]*:|[^/]*@[^/]*:|github\.com\/)/i.test(path)) return true;
  return !isInside(posix.resolve(base, path), root);
}

function textsOf(value: unknown): string[] {
  return listOf(value).filter((entry) => typeof entry === 'string');
}
