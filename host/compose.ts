import * as v from 'valibot';
import { type CommandOptions, type CommandResult, type RunCommand, strikeOut } from './run-command.ts';

/**
 * What the agent asks of docker compose and Docker. One project per machine, under a fixed name: image
 * names (`eph-web`), networks and volumes stay the same whatever the repository's `name:` says.
 *
 * Gotchas
 * - Naming any `--env-file` switches the default `.env` off; the caller names it first.
 * - `ps` and `inspect` are asked of Docker itself: `compose ps` knows neither restart policies nor OOM kills.
 */
const composeProject = 'eph';
/** The tags of the images that are needed to start a previous version again. */
export const keptRepository = 'eph-kept';
/** Docker answers such questions at once; an engine that hangs must not block the agent, and with it the next push. */
const QUESTION_MS = 60_000;
/** Only a warning depends on this answer. */
const REGISTRY_MS = 15_000;

export interface ComposeCall {
  /** Project directory: relative paths of the compose files start here. */
  folder: string;
  files: readonly string[];
  envFiles: readonly string[];
}

export interface Container {
  id: string;
  service: string;
  /** The name that the image had when the container was made: by now the name may be another image's. */
  image: string;
  imageId: string;
  state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  exitCode: number;
  oomKilled: boolean;
  /** Why Docker could not start it, e.g. a port in use. */
  error: string;
  /** Epoch ms; 0 if it never started. */
  startedAt: number;
  restartCount: number;
  restartPolicy: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** What the last failed health check printed. */
  healthOutput: string;
  pid: number;
  /** Its addresses on its networks; empty for a container without a network of its own. */
  addresses: string[];
}

export type RunOptions = Pick<CommandOptions, 'signal' | 'timeoutMs' | 'onLine'>;

export interface Compose {
  profiles(call: ComposeCall): Promise<CommandResult>;
  config(call: ComposeCall): Promise<CommandResult>;
  /** Without `services`, all of them are pulled. */
  pull(call: ComposeCall, options: RunOptions, services?: readonly string[]): Promise<CommandResult>;
  build(call: ComposeCall, options: RunOptions, services?: readonly string[]): Promise<CommandResult>;
  up(call: ComposeCall, options: RunOptions): Promise<CommandResult>;
  containers(): Promise<Container[]>;
  logs(containerId: string, lines: number): Promise<string[]>;
  /** Ids of the project's networks, by name. */
  networks(): Promise<Record<string, string>>;
  /** The digests under which an image was pulled. */
  digests(image: string): Promise<string[]>;
  /** The digest that the registry has for this name; undefined where the registry does not say. */
  registryDigest(image: string): Promise<string | undefined>;
  /** Whether the tag was set: the image may be gone. */
  tag(image: string, name: string): Promise<boolean>;
  /** Removes all tags of `keptRepository` except these; images that have no other name are removed with them. */
  dropKeptExcept(names: readonly string[]): Promise<void>;
  /** Removes build cache, and images that no container uses; with `keepNamed` only those without a name. */
  prune(options: { keepNamed: boolean }): Promise<CommandResult>;
}

/** `redact` strikes secrets out of what people will read. */
export function createCompose(unstruck: RunCommand, redact: (text: string) => string): Compose {
  const run = strikeOut(unstruck, redact);
  const readable = async (running: Promise<CommandResult>) => {
    const result = await running;
    return { ...result, stdout: redact(result.stdout) };
  };
  const compose = (call: ComposeCall, args: readonly string[], options: CommandOptions = {}) =>
    run(
      'docker',
      [
        'compose',
        ...['--ansi', 'never', '--progress', 'plain', '--project-name', composeProject],
        ...['--project-directory', call.folder],
        ...call.files.flatMap((file) => ['--file', file]),
        ...call.envFiles.flatMap((file) => ['--env-file', file]),
        ...args,
      ],
      // COMPOSE_* of the agent's own environment would change what a repository means. `${PWD}` is set to its value
      // in a shell of the project's folder; the agent's own value would be a folder of the machine.
      { cwd: call.folder, env: { PWD: call.folder }, ...options },
    );
  const question = { timeoutMs: QUESTION_MS };
  const ofProject = ['--filter', `label=com.docker.compose.project=${composeProject}`];
  return {
    profiles: (call) => compose(call, ['config', '--profiles'], question),
    config: (call) => compose(call, ['config', '--format', 'json'], question),
    // Not `--policy`: it would override what the override file says of images that are built here.
    pull: (call, options, services = []) =>
      readable(compose(call, ['pull', '--ignore-buildable', ...services], options)),
    build: (call, options, services = []) => readable(compose(call, ['build', ...services], options)),
    // Not `--wait`: it fails when a one-shot job exits 0. `--pull missing`: an image that `pull` did not fetch must
    // not be fetched now, because `pull_policy: always` would replace the images that a wake or a rollback starts
    // again.
    up: (call, options) =>
      readable(
        compose(call, ['up', '--detach', '--no-build', '--pull', 'missing', '--remove-orphans'], options),
      ),
    async containers() {
      const listed = await run('docker', ['ps', '--all', '--quiet', '--no-trunc', ...ofProject], question);
      const ids = listed.stdout.split('\n').filter((id) => id !== '');
      if (ids.length === 0) return [];
      const inspected = await run('docker', ['inspect', '--type', 'container', ...ids], question);
      return parseContainers(inspected.stdout).map((container) => ({
        ...container,
        error: redact(container.error),
        healthOutput: redact(container.healthOutput),
      }));
    },
    async logs(containerId, lines) {
      const kept: string[] = [];
      await run('docker', ['logs', '--tail', String(lines), containerId], {
        ...question,
        onLine: (line) => kept.push(line),
      });
      return kept.slice(-lines);
    },
    async networks() {
      const format = ['--no-trunc', '--format', '{{.Name}} {{.ID}}'];
      const listed = await run('docker', ['network', 'ls', ...ofProject, ...format], question);
      const lines = listed.stdout.split('\n').filter((line) => line !== '');
      return Object.fromEntries(lines.map((line) => line.split(' ')));
    },
    async digests(image) {
      const format = ['--format', '{{json .RepoDigests}}'];
      const { code, stdout } = await run('docker', ['image', 'inspect', ...format, image], question);
      if (code !== 0) return [];
      const names = v.parse(v.nullish(v.array(v.string())), JSON.parse(stdout)) ?? [];
      return names.map((name) => name.slice(name.indexOf('@') + 1));
    },
    async registryDigest(image) {
      const ask = ['buildx', 'imagetools', 'inspect', '--format', '{{json .Manifest}}', image];
      const { code, stdout } = await run('docker', ask, { timeoutMs: REGISTRY_MS });
      const said = v.safeParse(v.pipe(v.string(), v.parseJson(), v.object({ digest: v.string() })), stdout);
      return code === 0 && said.success ? said.output.digest : undefined;
    },
    async tag(image, name) {
      return (await run('docker', ['tag', image, name], question)).code === 0;
    },
    async dropKeptExcept(names) {
      const list = ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', keptRepository];
      const found = (await run('docker', list, question)).stdout.split('\n');
      const left = found.filter((name) => name !== '' && !names.includes(name));
      if (left.length > 0) await run('docker', ['image', 'rm', ...left], question);
    },
    async prune({ keepNamed }) {
      const images = await run('docker', ['image', 'prune', '--force', ...(keepNamed ? [] : ['--all'])]);
      return images.code === 0 ? run('docker', ['builder', 'prune', '--all', '--force']) : images;
    },
  };
}

const inspected = v.array(
  v.object({
    Id: v.string(),
    Image: v.string(),
    RestartCount: v.number(),
    Config: v.object({ Image: v.string(), Labels: v.nullish(v.record(v.string(), v.string())) }),
    NetworkSettings: v.nullish(
      v.object({
        Networks: v.nullish(v.record(v.string(), v.nullish(v.object({ IPAddress: v.nullish(v.string()) })))),
      }),
    ),
    HostConfig: v.object({ RestartPolicy: v.nullish(v.object({ Name: v.string() })) }),
    State: v.object({
      Status: v.picklist(['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead']),
      ExitCode: v.number(),
      OOMKilled: v.boolean(),
      Error: v.string(),
      StartedAt: v.string(),
      Pid: v.number(),
      Health: v.nullish(
        v.object({
          Status: v.string(),
          Log: v.nullish(v.array(v.object({ ExitCode: v.number(), Output: v.string() }))),
        }),
      ),
    }),
  }),
);

/** Reads `docker inspect`; a container that vanished in the meantime is not in the result. */
function parseContainers(json: string): Container[] {
  const parsed = v.parse(inspected, JSON.parse(json === '' ? '[]' : json));
  return parsed
    .filter((found) => found.Config.Labels?.['com.docker.compose.oneoff'] !== 'True')
    .map(({ Id, Image, RestartCount, Config, HostConfig, NetworkSettings, State }) => ({
      id: Id,
      service: Config.Labels?.['com.docker.compose.service'] ?? '',
      image: Config.Image,
      imageId: Image,
      state: State.Status,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled,
      error: State.Error,
      startedAt: Math.max(0, Date.parse(State.StartedAt) || 0),
      restartCount: RestartCount,
      restartPolicy: policyOf(HostConfig.RestartPolicy?.Name),
      health: healthOf(State.Health?.Status),
      healthOutput:
        State.Health?.Log?.filter((entry) => entry.ExitCode !== 0)
          .at(-1)
          ?.Output.trim() ?? '',
      pid: State.Pid,
      addresses: Object.values(NetworkSettings?.Networks ?? {}).flatMap(
        (network) => network?.IPAddress || [],
      ),
    }));
}

function policyOf(name: string | undefined): Container['restartPolicy'] {
  return name === 'always' || name === 'unless-stopped' || name === 'on-failure' ? name : 'no';
}

function healthOf(status: string | undefined): Container['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}
