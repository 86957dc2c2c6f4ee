import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { certificatesIn, type MachineSettings } from './machine-settings.ts';
import { busybox, debian, type ImageConfig, type Recipe } from './recipes.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const NODE_VERSION = '24.21.0';
const NPM_VERSION = '11.19.1';

export interface Layer {
  /** The uncompressed tar. Registry and engine are on one machine, where compressing only costs time. */
  readonly file: string;
  readonly digest: string;
  readonly size: number;
}

export interface BuiltImage {
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

/**
 * Builds images in `work`, a folder of its own per run, as layers of files: no engine is used, so it works before the
 * first host exists. Needs root (files belong to the users that the packages name). The same packages give the same
 * digests: tar entries are sorted and have no build time.
 */
export function createImageBuilder(work: string, settings: MachineSettings, signal?: AbortSignal) {
  const run: Run = (program, args, options) =>
    execute(program, args, { ...options, ...(signal && { signal }) });
  const bases = new Map<string, Promise<{ folder: string; layer: Layer; packages: string[] }>>();

  function base(recipe: Recipe) {
    const known = bases.get(recipe.name);
    if (known) return known;
    const built = buildLayer(recipe, []);
    bases.set(recipe.name, built);
    built.catch(() => bases.delete(recipe.name));
    return built;
  }

  async function build(recipe: Recipe): Promise<BuiltImage> {
    if (recipe.base === 'none') return { config: recipe.config, layers: [(await base(recipe)).layer] };
    const below = await base(debian);
    const own = await buildLayer(recipe, below.packages);
    await rm(own.folder, { recursive: true, force: true });
    const { config } = recipe;
    const layers = [below.layer, own.layer];
    if (recipe.name !== 'node' || settings.authorities.length === 0) return { config, layers };
    // Node has certificates built in and reads the system's only with this variable.
    const Env = [...(config.Env ?? []), 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'];
    return { config: { ...config, Env }, layers };
  }

  async function buildLayer(recipe: Recipe, without: readonly string[]) {
    const folder = join(work, recipe.name);
    const scratch = join(work, `${recipe.name}.scratch`);
    // The folder may be left from a failed try.
    await rm(folder, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
    await run('sh', ['-ec', mergedUsr, 'sh', folder]);
    const packages = await unpack(run, recipe, folder, without);
    await run('sh', ['-ec', dropDocumentation], { cwd: folder });
    const prepare = join(import.meta.dirname, 'prepare', `${recipe.name}.sh`);
    const env = { ...process.env, ...(await ingredients(recipe, folder)), scratch };
    await run('sh', ['-eu', prepare], { cwd: folder, env });
    const files = join(import.meta.dirname, 'files', recipe.name);
    if (existsSync(files)) await cp(files, folder, { recursive: true });
    const layer = await writeLayer(run, folder, join(work, `${recipe.name}.tar`));
    await rm(scratch, { recursive: true, force: true });
    return { folder, layer, packages };
  }

  async function ingredients(recipe: Recipe, folder: string): Promise<Record<string, string>> {
    const paths: Record<string, string> = {};
    if (recipe === debian) paths['authorities'] = await addedAuthorities(folder);
    if (recipe.base !== 'none') paths['debian'] = (await base(debian)).folder;
    if (recipe.name === 'node') {
      paths['node'] = await nodeBinary(run, work);
      paths['npm'] = await npmPackage(run, work, 'npm', NPM_VERSION);
      paths['npmrc'] = join(work, 'npmrc');
      await writeFile(paths['npmrc'], settings.npmRegistry ? `registry=${settings.npmRegistry}\n` : '');
    }
    return paths;
  }

  /** A folder with a file for each certificate of this machine that Debian's package lacks. */
  async function addedAuthorities(folder: string): Promise<string> {
    const packaged = join(folder, 'usr/share/ca-certificates/mozilla');
    const files = await Promise.all(
      (await readdir(packaged)).map((name) => readFile(join(packaged, name), 'utf8')),
    );
    const known = new Set(files.flatMap(certificatesIn));
    const added = settings.authorities.filter((certificate) => !known.has(certificate));
    const made = join(work, 'authorities');
    await mkdir(made, { recursive: true });
    for (const [index, certificate] of added.entries())
      await writeFile(join(made, `machine-${index + 1}.crt`), `${certificate}\n`);
    return made;
  }

  return { build };
}

/** Runs a program that ends with the build's signal. */
type Run = (
  program: string,
  args: readonly string[],
  options?: { cwd?: string; env?: NodeJS.ProcessEnv },
) => Promise<{ stdout: string }>;

/** Packages are unpacked into a merged /usr, as on every Debian since 12 and in the official images. */
const mergedUsr = `
mkdir -p "$1/usr" "$1/etc" && cd "$1/usr" && mkdir -p bin sbin lib lib64
cd .. && for d in bin sbin lib lib64; do ln -s "usr/$d" "$d"; done`;

const dropDocumentation = `
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bash-completion \\
  usr/share/zsh usr/share/fish usr/share/bug usr/lib/systemd usr/lib/udev usr/share/common-licenses`;

/** Regular expressions for services, and for packages that only install scripts need (these do not run here). */
const NOT_NEEDED =
  `perl perl-modules-.* lib.*perl.* usrmerge ucf ssl-cert libgdbm.* libdb5.3 postgresql-common
  postgresql-client-common lsb-base logrotate cron sensible-utils iproute2`.split(/\s+/);

async function unpack(
  run: Run,
  recipe: Recipe,
  folder: string,
  without: readonly string[],
): Promise<string[]> {
  if (recipe.packages.length === 0) return [];
  const installer = join(root, 'dev/install-from-debian.sh');
  // It is a static program, which needs nothing of its package's dependencies.
  if (recipe === busybox) {
    await run(installer, [recipe.release, folder, ...recipe.packages]);
    return [];
  }
  if (recipe === debian) {
    const args = ['--with-dependencies', '--with-apt', recipe.release, folder, ...recipe.packages];
    const { stdout } = await run(installer, args);
    return stdout.trim().split('\n');
  }
  const skip = `^(${[...NOT_NEEDED, ...without.map((name) => name.replaceAll('+', '[+]'))].join('|')})$`;
  const args = ['--with-dependencies', '--skip', skip, recipe.release, folder, ...recipe.packages];
  const { stdout } = await run(installer, args);
  return stdout.trim().split('\n');
}

async function writeLayer(run: Run, folder: string, file: string): Promise<Layer> {
  const reproducible = ['--sort=name', '--numeric-owner', '--mtime=@0', '--format=posix'];
  const stable = ['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'];
  const names = (await readdir(folder)).sort();
  await run('tar', [...reproducible, ...stable, '-C', folder, '-cf', file, '--', ...names]);
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return { file, digest: `sha256:${hash.digest('hex')}`, size: (await stat(file)).size };
}

/** The Node that scripts/with-node.sh fetched, if there is one, else the same package from npm. */
async function nodeBinary(run: Run, work: string): Promise<string> {
  const fetched = join(root, '.tools/node24/bin/node');
  if (existsSync(fetched)) return fetched;
  const name = `node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`;
  return join(await npmPackage(run, work, name, NODE_VERSION), 'bin/node');
}

async function npmPackage(run: Run, work: string, name: string, version: string): Promise<string> {
  const folder = join(work, `npm-${name}`);
  await mkdir(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--silent', `${name}@${version}`], { cwd: folder });
  await run('tar', ['-xzf', stdout.trim().split('\n').at(-1) ?? ''], { cwd: folder });
  return join(folder, 'package');
}
