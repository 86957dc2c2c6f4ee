import * as v from 'valibot';

/**
 * What `docker compose config --format json` says, as far as Eph looks at it. Docker is the parser: by the
 * time we read this, anchors, `extends`, `include`, profiles, variables and short forms are resolved.
 *
 * Gotcha: services come sorted by name; the order in the file is lost.
 */
const text = v.string();
const list = v.nullish(v.array(text));
/** Compose prints some numbers as strings, depending on its version. */
const numeric = v.pipe(v.union([v.number(), v.string()]), v.transform(Number));

const publishedPort = v.object({
  target: numeric,
  /** Host port or range; absent for a random one. */
  published: v.nullish(v.pipe(v.union([text, v.number()]), v.transform(String))),
  protocol: v.nullish(text),
  host_ip: v.nullish(text),
});

const mount = v.object({
  type: text,
  source: v.nullish(text),
  target: v.nullish(text),
});

/** The fixed address on a network, and what else the file sets for a service on it. */
const attachment = v.nullish(v.object({ ipv4_address: v.nullish(text) }));

const labels = v.nullish(v.record(text, v.nullish(v.union([text, v.number(), v.boolean()]))));

const composeService = v.object({
  image: v.nullish(text),
  build: v.nullish(v.looseObject({ platforms: list })),
  /** A list, or null; it is only searched for words. */
  command: v.nullish(v.unknown()),
  entrypoint: v.nullish(v.unknown()),
  labels,
  links: list,
  healthcheck: v.nullish(v.unknown()),
  models: v.nullish(v.record(text, v.unknown())),
  scale: v.nullish(numeric),
  cpus: v.nullish(numeric),
  cpuset: v.nullish(text),
  platform: v.nullish(text),
  pull_policy: v.nullish(text),
  runtime: v.nullish(text),
  restart: v.nullish(text),
  privileged: v.nullish(v.boolean()),
  network_mode: v.nullish(text),
  volumes_from: list,
  pid: v.nullish(text),
  ipc: v.nullish(text),
  userns_mode: v.nullish(text),
  cgroup: v.nullish(text),
  cgroup_parent: v.nullish(text),
  container_name: v.nullish(text),
  stop_grace_period: v.nullish(text),
  cap_add: list,
  security_opt: list,
  devices: v.nullish(v.array(v.unknown())),
  gpus: v.nullish(v.unknown()),
  expose: v.nullish(v.array(v.pipe(v.union([text, v.number()]), v.transform(String)))),
  ports: v.nullish(v.array(publishedPort)),
  volumes: v.nullish(v.array(mount)),
  environment: v.nullish(v.record(text, v.nullish(v.union([text, v.number(), v.boolean()])))),
  networks: v.nullish(v.record(text, attachment)),
  depends_on: v.nullish(v.record(text, v.unknown())),
  secrets: v.nullish(v.array(v.looseObject({ source: v.nullish(text) }))),
  configs: v.nullish(v.array(v.looseObject({ source: v.nullish(text) }))),
  deploy: v.nullish(
    v.object({
      replicas: v.nullish(numeric),
      labels,
      resources: v.nullish(
        v.object({
          limits: v.nullish(v.object({ cpus: v.nullish(numeric) })),
          reservations: v.nullish(v.object({ devices: v.nullish(v.array(v.unknown())) })),
        }),
      ),
    }),
  ),
});
export type ComposeService = v.InferOutput<typeof composeService>;

const fileSource = v.object({ file: v.nullish(text) });

export const composeProjectSchema = v.object({
  services: v.nullish(v.record(text, composeService)),
  networks: v.nullish(
    v.record(
      text,
      v.nullish(
        v.object({
          name: v.nullish(text),
          external: v.nullish(v.boolean()),
          ipam: v.nullish(
            v.object({
              config: v.nullish(
                v.array(
                  v.object({ subnet: v.nullish(text), ip_range: v.nullish(text), gateway: v.nullish(text) }),
                ),
              ),
            }),
          ),
        }),
      ),
    ),
  ),
  secrets: v.nullish(v.record(text, fileSource)),
  configs: v.nullish(v.record(text, fileSource)),
});
export type ComposeProject = v.InferOutput<typeof composeProjectSchema>;

/** People switch a service off with `replicas: 0` when they use no profile. */
export function isSwitchedOff(service: ComposeService): boolean {
  return service.scale === 0 || service.deploy?.replicas === 0;
}

/** Labels of the container, and of the service where it once ran in a swarm: proxies read both. */
export function labelsOf({ labels, deploy }: ComposeService): [key: string, value: string][] {
  const entries = Object.entries({ ...deploy?.labels, ...labels });
  return entries.map(([key, value]) => [key.toLowerCase(), String(value)]);
}

/** All text that configures a service, to search it for words. */
export function saidTo(service: ComposeService): string {
  const { command, entrypoint, environment, build } = service;
  return JSON.stringify([command, entrypoint, environment, build]);
}

/** The services that a service says it depends on, in whatever way. */
export function needsOf(service: ComposeService | undefined): string[] {
  const shared = [service?.network_mode, service?.ipc, service?.pid];
  return [
    ...Object.keys(service?.depends_on ?? {}),
    ...(service?.links ?? []).map((link) => link.split(':')[0] ?? link),
    ...shared.flatMap((mode) => /^service:(.+)$/.exec(mode ?? '')?.[1] ?? []),
    // The forms are `name` and `name:ro`; with `container:` in front it names no service.
    ...(service?.volumes_from ?? []).flatMap((from) =>
      from.startsWith('container:') ? [] : (from.split(':')[0] ?? []),
    ),
  ];
}

/** The image name that compose gives: a built service without an image name is called after its project and service. */
export function imageOf(name: string, { image }: ComposeService): string {
  return image ?? `eph-${name}`;
}
