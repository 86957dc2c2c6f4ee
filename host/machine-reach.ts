import { posix } from 'node:path';

/**
 * What a compose project gets of its machine, beyond containers of its own. It is an allow-list: each key of the
 * compose specification is here with the values that it may always have, and a key or value that is not here counts
 * as reaching the machine. A branch gets a warning for each; a fork is refused (it could read the agent's tokens, or
 * the machine's role).
 *
 * Read from `docker compose config --format json`, where anchors, `extends`, `include`, variables and short
 * forms are resolved. What compose reads on the way there is in `outside-reads.ts`.
 *
 * Keys: https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json (and `pre_start`, which
 * compose-go already has).
 */
export interface Reach {
  /** With `asks` this makes one sentence: "`web`", "runs privileged". */
  subject: string;
  asks: string;
  /**
   * Set for a container in the machine's own network, where only a packet rule keeps the role's credentials from it.
   */
  hostNetwork?: true;
}

export type Values = Record<string, unknown>;
interface Ask {
  asks: string;
  hostNetwork?: true;
}
interface Where {
  /** The folder of the checkout: everything in it is the repository's own. */
  root: string;
  services: ReadonlySet<string>;
}
/** What a value asks of the machine; most ask nothing. */
type Judge = (value: unknown, where: Where) => Ask[];
type Keys = Record<string, Judge>;

export function machineReach(project: unknown, root: string): Reach[] {
  const all = valuesOf(project);
  const services = valuesOf(all['services']);
  const where: Where = { root, services: new Set(Object.keys(services)) };
  const of = (kind: string, subject: (name: string) => string, judge: Judge): Reach[] =>
    Object.entries(valuesOf(all[kind])).flatMap(([name, value]) =>
      judge(value, where).map((ask) => ({ subject: subject(shown(name)), ...ask })),
    );
  return [
    ...judgeKeys(projectKeys)(all, where).map((ask) => ({ subject: 'The compose file', ...ask })),
    ...of('services', (name) => `\`${name}\``, judgeKeys(serviceKeys)),
    ...of('networks', (name) => `The network \`${name}\``, judgeNetwork),
    ...of('volumes', (name) => `The volume \`${name}\``, judgeVolume),
    ...of('secrets', (name) => `The secret \`${name}\``, judgeKeys(fileKeys)),
    ...of('configs', (name) => `The config \`${name}\``, judgeKeys(fileKeys)),
  ];
}

/** The repository's text for use in a sentence of Eph, cut and cleaned. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}`]/gu, ' ').slice(0, 120);
}

/** The path is resolved as the engine does it: `/checkout/../tunnel-token` is not in the checkout. */
export function isInside(path: string, root: string): boolean {
  if (!posix.isAbsolute(path)) return false;
  const found = posix.normalize(path);
  return found === root || found.startsWith(root.endsWith('/') ? root : `${root}/`);
}

const harmless: Judge = () => [];
const harmlessKeys = (...names: string[]): Keys => Object.fromEntries(names.map((name) => [name, harmless]));

const ask =
  (asks: string | ((value: string) => string), more: Omit<Ask, 'asks'> = {}): Judge =>
  (value) => [{ asks: typeof asks === 'string' ? asks : asks(shown(value)), ...more }];

/** Every value except these asks for something. */
const unless =
  (allowed: RegExp, judge: Judge): Judge =>
  (value, where) =>
    allowed.test(String(value)) ? [] : judge(value, where);

const each =
  (judge: Judge): Judge =>
  (value, where) =>
    listOf(value).flatMap((entry) => judge(entry, where));

function judgeKeys(keys: Keys): Judge {
  return (value, where) =>
    Object.entries(valuesOf(value)).flatMap(([key, content]) => {
      if (asksNothing(content) || key.startsWith('x-')) return [];
      if (!Object.hasOwn(keys, key)) return [{ asks: `uses \`${shown(key)}\`, which Eph does not know` }];
      return keys[key]?.(content, where) ?? [];
    });
}

/** Whether compose's output has the value that means "not set". */
function asksNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '' || value === 0) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

const outside =
  (what: (path: string) => string): Judge =>
  (value, { root }) =>
    isInside(String(value), root) ? [] : [{ asks: what(shown(value)) }];

/**
 * The namespace of another container: only the project's own services are allowed, never the proxy (or whatever else
 * runs here).
 */
const shared =
  (what: string): Judge =>
  (value, { services }) => {
    const partner = /^service:(.+)$/.exec(String(value))?.[1];
    return partner && services.has(partner) ? [] : [{ asks: `${what} \`${shown(value)}\`` }];
  };

const networkMode: Judge = (value, where) => {
  if (value === 'host') return [{ asks: "uses the machine's network", hostNetwork: true }];
  if (/^(?:none|bridge|default)$/.test(String(value))) return [];
  return shared('joins the network of')(value, where);
};

/** Docker gives the first fourteen to every container; the rest affect only what the container has anyway. */
const ownCapabilities =
  /^(?:CAP_)?(?:AUDIT_WRITE|CHOWN|DAC_OVERRIDE|FOWNER|FSETID|KILL|MKNOD|NET_BIND_SERVICE|NET_RAW|SETFCAP|SETGID|SETPCAP|SETUID|SYS_CHROOT|IPC_LOCK|IPC_OWNER|LEASE|SYS_NICE)$/i;

const capabilities: Judge = (value) => {
  const found = listOf(value).map(String);
  const more = found.filter((name) => !ownCapabilities.test(name));
  return more.length === 0 ? [] : [{ asks: `adds capabilities (${shown(more.join(', '))})` }];
};

const confinement: Judge = (value) => {
  const found = listOf(value).map(String);
  const more = found.filter((option) => !/^no-new-privileges(?:[:=](?:true|false))?$/.test(option));
  return more.length === 0 ? [] : [{ asks: `changes its confinement (${shown(more.join(', '))})` }];
};

const mountKeys: Keys = {
  ...harmlessKeys('type', 'source', 'target', 'read_only', 'consistency', 'volume', 'tmpfs', 'image'),
  bind: judgeKeys({
    ...harmlessKeys('create_host_path', 'selinux', 'recursive'),
    propagation: unless(
      /^r?(?:private|slave)$/,
      ask((how) => `propagates mounts to the machine (${how})`),
    ),
  }),
};

const mount: Judge = (value, where) => {
  const { type, source } = valuesOf(value);
  const options = judgeKeys(mountKeys)(value, where);
  switch (type) {
    case 'volume':
    case 'tmpfs':
    case 'image':
      return options;
    case 'bind': {
      if (isInside(String(source), where.root)) return options;
      const path = shown(source);
      if (/\/docker\.sock$/.test(path)) return [{ asks: `controls Docker (mounts ${path})` }, ...options];
      return [{ asks: `mounts ${path} of the machine` }, ...options];
    }
    default:
      return [{ asks: `has a mount of the kind \`${shown(type)}\`` }, ...options];
  }
};

/** The engine fetches `docker-image://`, `service:` and addresses like any image. */
const isRemoteContext = (value: unknown) =>
  /^(?:docker-image:\/\/|service:|target:|https?:\/\/|ssh:\/\/|git:\/\/|git@|github\.com\/)/.test(
    String(value),
  );

const buildContext: Judge = (value, where) => {
  if (isRemoteContext(value)) return [];
  const path = String(value).replace(/^oci-layout:\/\//, '');
  return outside((found) => `builds from ${found} of the machine`)(path, where);
};

const build: Judge = (value, where) => {
  const { context, dockerfile } = valuesOf(value);
  const asks = judgeKeys(buildKeys)(value, where);
  if (typeof dockerfile !== 'string' || isRemoteContext(context)) return asks;
  const path = posix.resolve(String(context ?? where.root), dockerfile);
  return [...asks, ...outside((found) => `builds with ${found} of the machine`)(path, where)];
};

/** `type=local` reads or writes any folder of the machine, as root. */
const cacheOf = (what: string): Judge =>
  each(
    unless(
      /^(?:[^=,]+|type=(?:registry|inline)(?:,.*)?)$/,
      ask((cache) => `${what} \`${cache}\``),
    ),
  );

const buildKeys: Keys = {
  ...harmlessKeys('dockerfile', 'dockerfile_inline', 'args', 'labels', 'no_cache', 'no_cache_filter', 'pull'),
  ...harmlessKeys('extra_hosts', 'target', 'secrets', 'shm_size', 'tags', 'ulimits', 'platforms'),
  ...harmlessKeys('provenance', 'sbom'),
  context: buildContext,
  additional_contexts: (value, where) =>
    Object.values(valuesOf(value)).flatMap((context) => buildContext(context, where)),
  cache_from: cacheOf('reads its build cache from'),
  cache_to: cacheOf('writes its build cache to'),
  entitlements: each(ask((name) => `builds with the entitlement \`${name}\``, { hostNetwork: true })),
  isolation: unless(
    /^default$/,
    ask((how) => `chooses the isolation \`${how}\` for its build`),
  ),
  network: unless(/^(?:none|default)$/, (value) => [
    { asks: `builds in the network \`${shown(value)}\` of the machine`, hostNetwork: true },
  ]),
  privileged: ask('builds privileged'),
  ssh: ask("uses the machine's SSH keys in its build"),
};

const hook = (key: string): Judge =>
  each(
    judgeKeys({
      ...harmlessKeys('command', 'image', 'user', 'working_dir', 'environment', 'per_replica'),
      privileged: ask(`runs a privileged command in its container (\`${key}\`)`),
    }),
  );

/** With other drivers the engine, which is outside of every container, opens files, sockets and connections. */
const logging = judgeKeys({
  driver: unless(
    /^(?:json-file|local|none|journald)$/,
    ask((name) => `logs with the machine's \`${name}\``),
  ),
  options: harmless,
});

const deploy = judgeKeys(
  harmlessKeys(
    ...['mode', 'endpoint_mode', 'replicas', 'labels', 'rollback_config', 'update_config', 'resources'],
    ...['restart_policy', 'placement'],
  ),
);

const serviceKeys: Keys = {
  ...harmlessKeys(
    'attach',
    'command',
    'configs',
    'container_name',
    'depends_on',
    'develop',
    'dns',
    'dns_opt',
  ),
  ...harmlessKeys('dns_search', 'domainname', 'entrypoint', 'environment', 'expose', 'external_links'),
  ...harmlessKeys('extra_hosts', 'group_add', 'healthcheck', 'hostname', 'image', 'init', 'labels', 'links'),
  ...harmlessKeys('mac_address', 'models', 'platform', 'ports', 'profiles', 'pull_policy', 'read_only'),
  ...harmlessKeys('pull_refresh_after', 'restart', 'scale', 'secrets', 'stdin_open', 'stop_grace_period'),
  ...harmlessKeys('stop_signal', 'tmpfs', 'tty', 'user', 'working_dir', 'cap_drop'),
  // Shares of the machine, which belongs to the environment alone. `sysctls`: the engine accepts only those of
  // namespaces.
  ...harmlessKeys('blkio_config', 'cpu_count', 'cpu_percent', 'cpu_period', 'cpu_quota', 'cpu_rt_period'),
  ...harmlessKeys('cpu_rt_runtime', 'cpu_shares', 'cpus', 'cpuset', 'mem_limit', 'mem_reservation'),
  ...harmlessKeys('mem_swappiness', 'memswap_limit', 'oom_kill_disable', 'oom_score_adj', 'pids_limit'),
  ...harmlessKeys('shm_size', 'storage_opt', 'sysctls', 'ulimits'),
  // These are refused where a preview's machine cannot do them at all (`check-privileges.ts`).
  ...harmlessKeys('gpus', 'runtime'),
  // `org.systemd.property.*` sets properties of the unit that runc makes for the container.
  annotations: ask('gives orders to the container runtime (`annotations`)'),
  build,
  cap_add: capabilities,
  cgroup: unless(/^private$/, ask("sees the machine's control groups (`cgroup: host`)")),
  // The agent's own group may reach the metadata service (packer/files/eph.slice).
  cgroup_parent: ask((name) => `chooses its control group (\`cgroup_parent: ${name}\`)`),
  credential_spec: ask("uses the machine's accounts (`credential_spec`)"),
  deploy,
  device_cgroup_rules: ask("uses the machine's devices (`device_cgroup_rules`)"),
  devices: ask("uses the machine's devices"),
  env_file: each((value, where) =>
    outside((path) => `reads ${path} of the machine (\`env_file\`)`)(valuesOf(value)['path'] ?? value, where),
  ),
  ipc: unless(/^(?:private|shareable|none)$/, (value, where) =>
    value === 'host'
      ? [{ asks: "shares the machine's memory (`ipc: host`)" }]
      : shared('shares the memory of')(value, where),
  ),
  isolation: unless(
    /^default$/,
    ask((how) => `chooses the isolation \`${how}\``),
  ),
  label_file: each(outside((path) => `reads ${path} of the machine (\`label_file\`)`)),
  logging,
  network_mode: networkMode,
  networks: (value, where) =>
    Object.values(valuesOf(value)).flatMap((network) => judgeKeys(attachmentKeys)(network, where)),
  pid: (value, where) =>
    value === 'host'
      ? [{ asks: "sees the machine's processes (`pid: host`)" }]
      : shared('sees the processes of')(value, where),
  post_start: hook('post_start'),
  pre_start: hook('pre_start'),
  pre_stop: hook('pre_stop'),
  privileged: ask('runs privileged'),
  // These are refused for everybody (`judge-reach.ts`).
  provider: ask('has docker compose run a program on the machine (`provider`)'),
  security_opt: confinement,
  use_api_socket: ask('controls Docker (`use_api_socket`)'),
  userns_mode: ask((mode) => `leaves the user namespace (\`userns_mode: ${mode}\`)`),
  uts: ask("sets the machine's host name (`uts: host`)"),
  volumes: each(mount),
  volumes_from: each((value, where) =>
    shared('mounts the volumes of')(`service:${String(value).replace(/:(?:ro|rw)$/, '')}`, where),
  ),
};

const attachmentKeys: Keys = {
  ...harmlessKeys('aliases', 'driver_opts', 'gw_priority', 'interface_name', 'ipv4_address', 'ipv6_address'),
  ...harmlessKeys('mac_address', 'priority'),
  link_local_ips: each(ask((address) => `takes the address ${address}`)),
};

const projectKeys: Keys = harmlessKeys(
  ...['name', 'services', 'networks', 'volumes', 'secrets', 'configs', 'models', 'version'],
);

const fileKeys: Keys = {
  ...harmlessKeys('name', 'content', 'environment', 'external', 'labels', 'driver', 'driver_opts'),
  ...harmlessKeys('template_driver'),
  file: outside((path) => `reads ${path} of the machine`),
};

const volumeKeys: Keys = {
  ...harmlessKeys('name', 'external', 'labels', 'driver_opts'),
  driver: unless(
    /^local$/,
    ask((name) => `is made by the machine's driver \`${name}\``),
  ),
};

/** `type: none, o: bind` makes a volume of any folder; other types have the machine's kernel mount them. */
const judgeVolume: Judge = (value, where) => {
  const asks = judgeKeys(volumeKeys)(value, where);
  const { type, device, o: options } = valuesOf(valuesOf(value)['driver_opts']);
  if (device === undefined || type === 'tmpfs' || isInside(String(device), where.root)) return asks;
  const how = options === undefined ? '' : ` (\`o: ${shown(options)}\`)`;
  return [...asks, { asks: `is ${shown(device)} of the machine${how}` }];
};

/** Addresses at which the machine itself reaches fixed services: no container may answer there. */
const privateSubnet =
  /^(?:10\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd])/i;

const networkKeys: Keys = {
  ...harmlessKeys('name', 'external', 'internal', 'attachable', 'labels', 'enable_ipv4', 'enable_ipv6'),
  // macvlan and ipvlan put containers beside the machine, one hop from its metadata.
  driver: unless(/^(?:bridge|default|none)$/, (value) => [
    { asks: `uses the machine's network (\`driver: ${shown(value)}\`)`, hostNetwork: true },
  ]),
  driver_opts: (value) =>
    Object.keys(valuesOf(value))
      .filter((key) => !key.startsWith('com.docker.network.'))
      .map((key) => ({ asks: `has the driver's option \`${shown(key)}\`` })),
  ipam: judgeKeys({
    driver: unless(
      /^default$/,
      ask((name) => `takes its addresses from the driver \`${name}\``),
    ),
    options: harmless,
    config: each((pool) => {
      const { subnet } = valuesOf(pool);
      if (subnet === undefined || privateSubnet.test(String(subnet))) return [];
      return [{ asks: `takes addresses that are not private on the machine (${shown(subnet)})` }];
    }),
  }),
};

const judgeNetwork: Judge = (value, where) => {
  const { external, name } = valuesOf(value);
  const asks = judgeKeys(networkKeys)(value, where);
  if (!external || name !== 'host') return asks;
  return [...asks, { asks: "is the machine's own", hostNetwork: true }];
};

export function valuesOf(value: unknown): Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}
