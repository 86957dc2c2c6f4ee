import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Log } from './log.ts';

/**
 * Keeps `cloudflared` running. The tunnel is up as soon as the deployment spec has been read, long before the
 * application: until then visitors get the tunnel's 502, which the Worker turns into the waking page.
 *
 * Lifecycle: `use(token)` starts it, or restarts it if the token changed (a reopened pull request has a new
 * tunnel). A cloudflared that ends is started again with back-off; one that ran for a minute resets it.
 *
 * Gotcha: the token goes into a file of mode 0600, because arguments can be read by every process.
 */
export interface Tunnel {
  use(token: string): Promise<void>;
  stop(): Promise<void>;
}

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
const STEADY_MS = 60_000;
/** cloudflared waits 30 s for open requests after SIGTERM; the machine is shutting down, so nobody needs them. */
const STOP_MS = 3_000;

export interface TunnelDeps {
  tokenFile: string;
  writeToken(token: string): Promise<void>;
  log: Log;
  now(): number;
}

export function createTunnel(deps: TunnelDeps): Tunnel {
  let token: string | undefined;
  let child: ReturnType<typeof spawn> | undefined;
  let restart: NodeJS.Timeout | undefined;
  let backoff = FIRST_BACKOFF_MS;
  let stopped = false;

  function start(): void {
    restart = undefined;
    const startedAt = deps.now();
    const started = spawn(
      'cloudflared',
      ['tunnel', '--no-autoupdate', 'run', '--token-file', deps.tokenFile],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    child = started;
    deps.log.event('cloudflared started', { pid: started.pid });
    for (const input of [started.stdout, started.stderr]) {
      createInterface({ input }).on('line', (line) =>
        deps.log.event('cloudflared', { says: deps.log.redact(line).slice(0, 1_000) }),
      );
    }
    let over = false;
    const onEnd = (how: string) => {
      if (over) return;
      over = true;
      if (child === started) child = undefined;
      if (stopped || restart) return;
      if (deps.now() - startedAt > STEADY_MS) backoff = FIRST_BACKOFF_MS;
      deps.log.event('cloudflared ended', { how, again_in_ms: backoff });
      restart = setTimeout(start, backoff);
      backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS);
    };
    started.on('error', (error) => onEnd(error.message));
    started.on('exit', (code, signal) => onEnd(`code ${code ?? signal}`));
  }

  async function end(): Promise<void> {
    clearTimeout(restart);
    restart = undefined;
    const running = child;
    if (!running) return;
    child = undefined;
    await new Promise<void>((resolve) => {
      const kill = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
      running.once('exit', () => {
        clearTimeout(kill);
        resolve();
      });
      running.kill('SIGTERM');
    });
  }

  return {
    async use(next) {
      if (stopped || next === token) return;
      token = next;
      await deps.writeToken(next);
      const wasStopped = stopped;
      stopped = true;
      await end();
      stopped = wasStopped;
      backoff = FIRST_BACKOFF_MS;
      start();
    },
    async stop() {
      stopped = true;
      await end();
    },
  };
}
