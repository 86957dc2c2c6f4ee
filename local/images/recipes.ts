/**
 * The base images that the local registry serves, each built from Debian packages (or npm), because another registry
 * may not be reachable. They follow the official images where compose files and Dockerfiles depend on it: paths,
 * users, ports, volumes, entrypoints, environment.
 *
 * An image is one layer on `debian`, which a host pulls once for all of them.
 * `prepare/<name>.sh` turns the unpacked packages into the image's files, `files/<name>` is copied over it.
 */
export interface Recipe {
  readonly name: string;
  /** Debian release that the packages come from. */
  readonly release: 'bookworm' | 'trixie' | 'sid';
  /** `<repository>:<tag>` under which it is served; on Docker Hub these are `library/<repository>`. */
  readonly tags: readonly string[];
  readonly base: 'none' | 'debian';
  readonly packages: readonly string[];
  readonly config: ImageConfig;
}

/** The part of an OCI image configuration that images here set. */
export interface ImageConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly StopSignal?: string;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const busybox: Recipe = {
  name: 'busybox',
  // Debian 12's version crashes in `wget -T`.
  release: 'trixie',
  tags: ['busybox:1', 'busybox:latest', 'busybox:stable'],
  base: 'none',
  packages: ['busybox-static'],
  config: { Env: [PATH], Cmd: ['sh'] },
};

export const debian: Recipe = {
  name: 'debian',
  release: 'bookworm',
  tags: ['debian:12', 'debian:bookworm', 'debian:bookworm-slim'],
  base: 'none',
  // Debian's essential packages, apt, and the programs that compose files' health checks use.
  packages: [
    ...[
      'apt',
      'base-files',
      'base-passwd',
      'bash',
      'bsdutils',
      'coreutils',
      'dash',
      'debianutils',
      'diffutils',
    ],
    ...['dpkg', 'findutils', 'grep', 'gzip', 'hostname', 'init-system-helpers', 'libc-bin', 'login', 'mawk'],
    ...[
      'ncurses-base',
      'ncurses-bin',
      'passwd',
      'perl-base',
      'sed',
      'sysvinit-utils',
      'tar',
      'usr-is-merged',
      'util-linux',
    ],
    ...['busybox', 'ca-certificates', 'curl', 'wget', 'libstdc++6', 'libatomic1'],
  ],
  config: { Env: [PATH], Cmd: ['bash'] },
};

export const recipes: readonly Recipe[] = [
  busybox,
  debian,
  {
    name: 'caddy',
    // `caddy:2` is version 2.11, which also runs as the previews' proxy; Debian 12's is 2.6.
    release: 'sid',
    tags: ['caddy:2', 'caddy:2-alpine', 'caddy:latest'],
    base: 'debian',
    packages: ['caddy'],
    config: {
      Env: [PATH, 'XDG_CONFIG_HOME=/config', 'XDG_DATA_HOME=/data'],
      Cmd: ['caddy', 'run', '--config', '/etc/caddy/Caddyfile', '--adapter', 'caddyfile'],
      WorkingDir: '/srv',
      ExposedPorts: { '80/tcp': {}, '443/tcp': {}, '443/udp': {}, '2019/tcp': {} },
    },
  },
  {
    name: 'node',
    release: 'bookworm',
    tags: [
      'node:24',
      'node:24-alpine',
      'node:24-slim',
      'node:24-bookworm',
      'node:24-bookworm-slim',
      'node:lts',
    ],
    base: 'debian',
    packages: [],
    config: { Env: [PATH, 'NODE_VERSION=24.21.0'], Entrypoint: ['docker-entrypoint.sh'], Cmd: ['node'] },
  },
  {
    name: 'nginx',
    release: 'bookworm',
    tags: ['nginx:1', 'nginx:1-alpine', 'nginx:alpine', 'nginx:stable', 'nginx:latest'],
    base: 'debian',
    packages: ['nginx-light', 'gettext-base'],
    config: {
      Env: [PATH],
      Entrypoint: ['/docker-entrypoint.sh'],
      Cmd: ['nginx', '-g', 'daemon off;'],
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
    },
  },
  {
    name: 'redis',
    release: 'bookworm',
    tags: ['redis:7', 'redis:7-alpine', 'redis:alpine', 'redis:latest'],
    base: 'debian',
    packages: ['redis-server'],
    config: {
      Env: [PATH],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['redis-server'],
      WorkingDir: '/data',
      ExposedPorts: { '6379/tcp': {} },
      Volumes: { '/data': {} },
    },
  },
  {
    name: 'postgres',
    release: 'bookworm',
    tags: ['postgres:15', 'postgres:15-alpine'],
    base: 'debian',
    packages: ['postgresql-15'],
    config: {
      Env: [
        `${PATH}:/usr/lib/postgresql/15/bin`,
        'LANG=C.UTF-8',
        'PG_MAJOR=15',
        'PGDATA=/var/lib/postgresql/data',
      ],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['postgres'],
      ExposedPorts: { '5432/tcp': {} },
      Volumes: { '/var/lib/postgresql/data': {} },
      StopSignal: 'SIGINT',
    },
  },
];

/** The recipe for `name`, a reference as in a compose file (`node:24`, `docker.io/library/redis:7`). */
export function recipeOf(name: string): Recipe {
  const recipe = findRecipe(name);
  if (recipe) return recipe;
  const known = recipes.flatMap((candidate) => candidate.tags).join(', ');
  throw new Error(
    `The local registry makes no image ${name}; it makes ${known}. Add a recipe in local/images/recipes.ts.`,
  );
}

export function isMadeHere(name: string): boolean {
  return findRecipe(name) !== undefined;
}

function findRecipe(name: string): Recipe | undefined {
  const tag = name.replace(/^docker\.io\//, '').replace(/^library\//, '');
  return recipes.find((candidate) => candidate.tags.includes(tag));
}
