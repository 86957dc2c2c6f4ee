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

export interface ComposeCall {
  /** Project directory: relative paths of the compose files start here. */
  folder: string;
  files: readonly string[];
  envFiles: readonly string[];
}

export interface Container {
  id: string;
  service: string;
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
}

export type RunOptions = Pick<CommandOptions, 'signal' | 'timeoutMs' | 'onLine'>;

export interface Compose {
  profiles(call: ComposeCall): Promise<CommandResult>;
  config(call: ComposeCall): Promise<CommandResult>;
  pull(call: ComposeCall, options: RunOptions): Promise<CommandResult>;
  build(call: ComposeCall, options: RunOptions): Promise<CommandResult>;
  up(call: ComposeCall, options: RunOptions): Promise<CommandResult>;
  containers(): Promise<Container[]>;
  logs(containerId: string, lines: number): Promise<string[]>;
  /** Removes images and build cache that no container uses. */
  prune(): Promise<CommandResult>;
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
      // COMPOSE_* of the agent's own environment would change what a repository means.
      { cwd: call.folder, ...options },
    );
  return {
    profiles: (call) => compose(call, ['config', '--profiles']),
    config: (call) => compose(call, ['config', '--format', 'json']),
    pull: (call, options) =>
      readable(compose(call, ['pull', '--ignore-buildable', '--policy', 'missing'], options)),
    build: (call, options) => readable(compose(call, ['build'], options)),
    // Not `--wait`: it fails when a one-shot job exits 0.
    up: (call, options) =>
      readable(compose(call, ['up', '--detach', '--no-build', '--remove-orphans'], options)),
    async containers() {
      const listed = await run('docker', [
        'ps',
        ...[
          '--all',
          '--quiet',
          '--no-trunc',
          '--filter',
          `label=com.docker.compose.project=${composeProject}`,
        ],
      ]);
      const ids = listed.stdout.split('\n').filter((id) => id !== '');
      if (ids.length === 0) return [];
      const inspected = await run('docker', ['inspect', '--type', 'container', ...ids]);
      return parseContainers(inspected.stdout).map((container) => ({
        ...container,
        error: redact(container.error),
        healthOutput: redact(container.healthOutput),
      }));
    },
    async logs(containerId, lines) {
      const kept: string[] = [];
      await run('docker', ['logs', '--tail', String(lines), containerId], {
        onLine: (line) => kept.push(line),
      });
      return kept.slice(-lines);
    },
    async prune() {
      const images = await run('docker', ['image', 'prune', '--all', '--force']);
      return images.code === 0 ? run('docker', ['builder', 'prune', '--all', '--force']) : images;
    },
  };
}

const inspected = v.array(
  v.object({
    Id: v.string(),
    RestartCount: v.number(),
    Config: v.object({ Labels: v.nullish(v.record(v.string(), v.string())) }),
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

/** Reads `docker inspect`; a container that vanished meanwhile is simply not in it. */
function parseContainers(json: string): Container[] {
  const parsed = v.parse(inspected, JSON.parse(json === '' ? '[]' : json));
  return parsed
    .filter((found) => found.Config.Labels?.['com.docker.compose.oneoff'] !== 'True')
    .map(({ Id, RestartCount, Config, HostConfig, State }) => ({
      id: Id,
      service: Config.Labels?.['com.docker.compose.service'] ?? '',
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
    }));
}

function policyOf(name: string | undefined): Container['restartPolicy'] {
  return name === 'always' || name === 'unless-stopped' || name === 'on-failure' ? name : 'no';
}

function healthOf(status: string | undefined): Container['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}
