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

const composeService = v.object({
  image: v.nullish(text),
  build: v.nullish(v.unknown()),
  platform: v.nullish(text),
  runtime: v.nullish(text),
  restart: v.nullish(text),
  privileged: v.nullish(v.boolean()),
  network_mode: v.nullish(text),
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
  networks: v.nullish(v.record(text, v.unknown())),
  depends_on: v.nullish(v.record(text, v.unknown())),
  secrets: v.nullish(v.array(v.looseObject({ source: v.nullish(text) }))),
  configs: v.nullish(v.array(v.looseObject({ source: v.nullish(text) }))),
  deploy: v.nullish(
    v.object({
      resources: v.nullish(
        v.object({ reservations: v.nullish(v.object({ devices: v.nullish(v.array(v.unknown())) })) }),
      ),
    }),
  ),
});
export type ComposeService = v.InferOutput<typeof composeService>;

const fileSource = v.object({ file: v.nullish(text) });

export const composeProjectSchema = v.object({
  services: v.nullish(v.record(text, composeService)),
  networks: v.nullish(
    v.record(text, v.nullish(v.object({ name: v.nullish(text), external: v.nullish(v.boolean()) }))),
  ),
  secrets: v.nullish(v.record(text, fileSource)),
  configs: v.nullish(v.record(text, fileSource)),
});
export type ComposeProject = v.InferOutput<typeof composeProjectSchema>;
