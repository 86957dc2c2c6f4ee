import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createImageBuilder } from './build-image.ts';
import { type MachineSettings, readMachineSettings } from './machine-settings.ts';
import { pushImage, stampOf } from './push-image.ts';
import { isMadeHere, type Recipe, recipeOf, recipes } from './recipes.ts';
import { startRegistryFront } from './registry-front.ts';

const root = join(import.meta.dirname, '../..');

export interface Registry {
  /** `http://<address>:<port>`; hosts use it as registry mirror and proxy, so `pull node:24` comes from here. */
  readonly url: string;
  /** Builds and pushes those of `names` that are missing. */
  ensureImages(names: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface RegistryOptions {
  /** The folder for everything that is kept and used again. */
  readonly dir: string;
  /** The bridge's address, for the hosts; loopback by default. */
  readonly address?: string;
  readonly log?: (line: string) => void;
  /** Ends running builds. After that the registry can only be closed. */
  readonly signal?: AbortSignal | undefined;
  /** The registry for the names that are not made here; Docker Hub unless a test sets another. */
  readonly upstreamUrl?: string;
}

/**
 * The local image registry: Debian's docker-registry (dev/install.sh puts it into .tools/debian) with its blobs in
 * `dir`, and in front of it `registry-front.ts`, which makes or fetches what is missing.
 *
 * - It ends with this process (`setpriv --pdeathsig`), so a killed platform leaves none behind.
 * - Images carry a hash of what they were built from; the second `ensureImages` only compares.
 * - Two checkouts, or two platforms with one `dir`, may run at once: blobs are named by their content.
 * - Blobs are in `blobs-<hash of all recipes>`; when a recipe changes, a registry begins with an empty folder
 *   and deletes the ones that no registry serves any more. (The program's own garbage collection must not run
 *   while anything is pushed.) Those of other registries are in `upstream`, and the program forgets them after a
 *   week.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { dir, log = () => undefined } = options;
  await mkdir(dir, { recursive: true });
  const generation = (await stampOfAll()).slice(0, 12);
  // This comes before the search for abandoned folders, so that a registry that starts at the same moment sees this
  // folder in use.
  const run = await mkdtemp(join(dir, `run-${process.pid}-${generation}-`));
  await removeAbandoned(dir, generation);
  const closing = new AbortController();
  const store = await startProgram(run, { folder: join(dir, `blobs-${generation}`) });
  const build = createBuilds(
    dir,
    store.url,
    log,
    AbortSignal.any([closing.signal, ...(options.signal ? [options.signal] : [])]),
  );
  const cache = createUpstreamCache(run, join(dir, 'upstream'), options.upstreamUrl ?? DOCKER_HUB);
  const front = await startRegistryFront({
    address: options.address ?? '127.0.0.1',
    storeUrl: store.url,
    async ensure(repository, tag) {
      const name = `${repository}:${tag}`;
      if (isMadeHere(name)) await build.ensure(recipeOf(name));
    },
    upstream: cache.url,
    madeHere: recipes.map(({ tags: [name = ''] }) => name).sort(),
  });
  return {
    url: front.url,
    async ensureImages(names) {
      await Promise.all([...new Set(names.map(recipeOf))].map(build.ensure));
    },
    async close() {
      closing.abort();
      front.close();
      await build.close();
      await Promise.all([store.close(), cache.close()]);
      await rm(run, { recursive: true, force: true });
    },
  };
}

/** https://distribution.github.io/distribution/recipes/mirror/ */
const DOCKER_HUB = 'https://registry-1.docker.io';

/** Builds each image at most once at a time; a base of several images is made once and kept until the end. */
function createBuilds(dir: string, storeUrl: string, log: (line: string) => void, signal: AbortSignal) {
  const settings = readMachineSettings();
  const underWay = new Map<Recipe, Promise<void>>();
  let work: Promise<{ folder: string; builder: Builder }> | undefined;

  async function startWork() {
    const folder = await mkdtemp(join(dir, `build-${process.pid}-`));
    return { folder, builder: createImageBuilder(folder, await settings, signal) };
  }

  async function make(recipe: Recipe): Promise<void> {
    const stamp = await stampFor(recipe, await settings);
    const stamps = await Promise.all(recipe.tags.map((tag) => stampOf(storeUrl, tag)));
    if (stamps.every((found) => found === stamp)) return;
    const started = performance.now();
    work ??= startWork();
    const { builder } = await work;
    await pushImage(storeUrl, await builder.build(recipe), recipe.tags, stamp);
    log(`built image ${recipe.tags[0]} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }

  return {
    ensure(recipe: Recipe): Promise<void> {
      const known = underWay.get(recipe);
      if (known) return known;
      const made = make(recipe);
      underWay.set(recipe, made);
      made.catch((error: unknown) => {
        // The build is tried again at the next request.
        underWay.delete(recipe);
        if (!signal.aborted) log(`image ${recipe.tags[0]} could not be built: ${messageOf(error)}`);
      });
      return made;
    },
    async close() {
      await Promise.allSettled(underWay.values());
      const made = await work?.catch(() => undefined);
      if (made) await rm(made.folder, { recursive: true, force: true });
    },
  };
}

/**
 * The time for which an upstream that could not be reached is not asked again: a pull makes several requests in a
 * row.
 */
const RETRY_UPSTREAM_MS = 30_000;

/** A second registry that fetches from the real one and keeps the images. It starts only if it can reach that one. */
function createUpstreamCache(run: string, folder: string, remoteUrl: string) {
  let started: Promise<Program | undefined> | undefined;
  return {
    async url(): Promise<string | undefined> {
      started ??= startProgram(run, { folder, remoteUrl }).catch(() => {
        setTimeout(() => (started = undefined), RETRY_UPSTREAM_MS).unref();
        return undefined;
      });
      return (await started)?.url;
    },
    close: async () => (await started)?.close(),
  };
}

interface Program {
  url: string;
  close(): Promise<void>;
}

async function startProgram(run: string, blobs: Blobs): Promise<Program> {
  const program = [join(root, '.tools/debian/usr/bin/docker-registry'), '/usr/bin/docker-registry'].find(
    existsSync,
  );
  if (!program) throw new Error('docker-registry is missing: run dev/install.sh (make install) first.');
  const file = join(run, `${basename(blobs.folder)}.yml`);
  await writeFile(file, configuration(blobs));
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, 'serve', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const url = await listening(child).finally(() => clearTimeout(late));
  return {
    url,
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** It starts in some 50 ms, but first asks the registry that it caches for, which may not answer. */
const START_MS = 15_000;

/**
 * Removes folders `run-<pid>-<generation>-x` and `build-<pid>-x` of killed processes (a build's has some 300 MB), and
 * blobs that neither this registry nor a living one serves.
 */
async function removeAbandoned(dir: string, generation: string): Promise<void> {
  const names = await readdir(dir);
  const isAlive = (name: string) => existsSync(`/proc/${name.split('-')[1]}`);
  const used = names
    .filter((name) => name.startsWith('run-') && isAlive(name))
    .map((name) => name.split('-')[2]);
  const abandoned = names.filter((name) => {
    if (name === 'upstream') return false;
    if (name.startsWith('blobs')) return ![generation, ...used].includes(name.split('-')[1]);
    return !isAlive(name);
  });
  for (const name of abandoned) await rm(join(dir, name), { recursive: true, force: true });
}

type Builder = ReturnType<typeof createImageBuilder>;

interface Blobs {
  folder: string;
  /** The address of the registry that is cached. */
  remoteUrl?: string;
}

function configuration({ folder, remoteUrl }: Blobs): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: folder }, maintenance: { uploadpurging: { enabled: false } } },
    http: { addr: '127.0.0.1:0' },
    ...(remoteUrl === undefined ? {} : { proxy: { remoteurl: remoteUrl } }),
  });
}

/** With port 0 the system chooses the port, so it is read from the log line "listening on 10.1.2.1:34567". */
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

/** Hash of an image's inputs; packages' versions are not part of it, because a stable Debian only gets corrections. */
async function stampFor(recipe: Recipe, settings?: MachineSettings): Promise<string> {
  const hash = createHash('sha256')
    .update(process.arch)
    .update(JSON.stringify([recipe, settings]));
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
