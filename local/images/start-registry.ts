import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createImageBuilder } from './build-image.ts';
import { pushImage, stampOf } from './push-image.ts';
import { type Recipe, recipeOf, recipes } from './recipes.ts';

const root = join(import.meta.dirname, '../..');

export interface Registry {
  /** `http://<address>:<port>`; hosts have it as registry mirror, so `pull node:24` comes from here. */
  readonly url: string;
  /** Builds and pushes those of `names` that are missing. Rejects when `signal` ends it. */
  ensureImages(names: readonly string[], log: (line: string) => void, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * The local image registry: Debian's docker-registry (scripts/install.sh puts it into .tools/debian), with its
 * blobs in `dir`, which may be kept and used again.
 *
 * - Give `address` as the bridge's address: that is reachable from this machine and from the hosts alike.
 * - It dies with this process (`setpriv --pdeathsig`), so a killed platform leaves none behind.
 * - Images carry a hash of what they were built from; the second `ensureImages` only compares.
 * - Two checkouts, or two platforms with one `dir`, may run at once: blobs are named by their content.
 * - Blobs are in `blobs-<hash of all recipes>`; when a recipe changes, a registry begins with an empty folder
 *   and deletes the ones that no registry serves any more. (The program's own garbage collection must not run
 *   while anything is pushed.)
 */
export async function startRegistry(options: { dir: string; address?: string }): Promise<Registry> {
  const program = [join(root, '.tools/debian/usr/bin/docker-registry'), '/usr/bin/docker-registry'].find(
    existsSync,
  );
  if (!program) throw new Error('docker-registry is missing: run scripts/install.sh (make install) first.');
  const address = options.address ?? '127.0.0.1';
  await mkdir(options.dir, { recursive: true });
  const generation = (await stampOfAll()).slice(0, 12);
  // Before looking what is abandoned, so that one that starts at the same moment sees this folder in use.
  const settings = await mkdtemp(join(options.dir, `run-${process.pid}-${generation}-`));
  await removeAbandoned(options.dir, generation);
  const file = join(settings, 'registry.yml');
  await writeFile(file, configuration(join(options.dir, `blobs-${generation}`), address));
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, 'serve', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await listening(child);

  async function ensure(recipe: Recipe, work: () => Promise<Builder>, log: (line: string) => void) {
    const stamp = await stampFor(recipe);
    const stamps = await Promise.all(recipe.tags.map((tag) => stampOf(url, tag)));
    if (stamps.every((found) => found === stamp)) return;
    const started = performance.now();
    const image = await (await work()).build(recipe);
    await pushImage(url, image, recipe.tags, stamp);
    log(`built image ${recipe.tags[0]} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }

  return {
    url,
    async ensureImages(names, log, signal) {
      const wanted = new Set(names.map(recipeOf));
      let folder: string | undefined;
      let builder: Promise<Builder> | undefined;
      const work = () => {
        builder ??= mkdtemp(join(options.dir, `build-${process.pid}-`)).then((made) => {
          folder = made;
          return createImageBuilder(made, signal);
        });
        return builder;
      };
      try {
        await Promise.all([...wanted].map((recipe) => ensure(recipe, work, log)));
      } finally {
        if (folder) await rm(folder, { recursive: true, force: true });
      }
    },
    async close() {
      child.kill('SIGKILL');
      await exited;
      await rm(settings, { recursive: true, force: true });
    },
  };
}

/**
 * Folders `run-<pid>-<generation>-x` and `build-<pid>-x` of processes that were killed (a build's is some
 * 300 MB), and blobs that neither this registry nor a living one serves.
 */
async function removeAbandoned(dir: string, generation: string): Promise<void> {
  const names = await readdir(dir);
  const isAlive = (name: string) => existsSync(`/proc/${name.split('-')[1]}`);
  const used = names
    .filter((name) => name.startsWith('run-') && isAlive(name))
    .map((name) => name.split('-')[2]);
  const abandoned = names.filter((name) => {
    if (name.startsWith('blobs')) return ![generation, ...used].includes(name.split('-')[1]);
    return !isAlive(name);
  });
  for (const name of abandoned) await rm(join(dir, name), { recursive: true, force: true });
}

type Builder = ReturnType<typeof createImageBuilder>;

function configuration(blobs: string, address: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: blobs }, maintenance: { uploadpurging: { enabled: false } } },
    http: { addr: `${address}:0` },
  });
}

/** Port 0 lets the system choose, so what it chose is read from the log line "listening on 10.1.2.1:34567". */
async function listening(child: ChildProcess): Promise<string> {
  if (!child.stderr) throw new Error('docker-registry was started without a pipe for its log.');
  let last = '';
  for await (const line of createInterface({ input: child.stderr })) {
    const address = /listening on ([\d.]+:\d+)/.exec(line)?.[1];
    if (address) {
      child.stderr.resume();
      return `http://${address}`;
    }
    last = line;
  }
  throw new Error(`docker-registry did not start: ${last}`);
}

/** Hash of everything an image is made from; packages' versions are not part of it: a stable Debian only fixes them. */
async function stampFor(recipe: Recipe): Promise<string> {
  const hash = createHash('sha256').update(process.arch).update(JSON.stringify(recipe));
  const here = import.meta.dirname;
  for (const name of ['build-image.ts', 'recipes.ts']) hash.update(await readFile(join(here, name)));
  for (const name of new Set([recipe.name, recipe.base, 'debian'])) {
    const script = join(here, 'prepare', `${name}.sh`);
    if (existsSync(script)) hash.update(await readFile(script));
  }
  for (const file of await filesOf(join(here, 'files', recipe.name))) hash.update(await readFile(file));
  return hash.digest('hex');
}

async function stampOfAll(): Promise<string> {
  const hash = createHash('sha256');
  for (const recipe of recipes) hash.update(await stampFor(recipe));
  return hash.digest('hex');
}

async function filesOf(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}
