import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Installed } from './agent-disk.ts';
import { proxyConfigFile } from './plan-deployment.ts';
import { runStage, type StageDeps } from './run-stage.ts';
import type { WaitDeps } from './wait-until-up.ts';

/** `up` waits for the health of dependencies, which have their own retries and start periods. */
const UP_TIMEOUT_MS = 20 * 60_000;

/** Of a new generation, of the one on the disk after a reboot, and of the one that is gone back to. */
export async function startContainers(
  installed: Installed,
  deps: StageDeps & Pick<WaitDeps, 'proxy' | 'sleep'>,
): Promise<void> {
  const config = await readFile(proxyConfigFile(deps.disk, installed.generation), 'utf8');
  await deps.disk.write(join(deps.disk.proxy.config, 'caddy.json'), config);
  const never = new AbortController().signal;
  await runStage('starting', deps, never, { timeoutMs: UP_TIMEOUT_MS }, (options) =>
    deps.compose.up(installed.call, options),
  );
  // A proxy that was running already has not read its new file; it may also take a moment to open its socket.
  for (let attempt = 1; ; attempt++) {
    try {
      return await deps.proxy.load(config);
    } catch (error) {
      if (attempt >= 20) throw error;
      await deps.sleep(250);
    }
  }
}
