import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Installed } from './agent-disk.ts';
import { failWith } from './deploy-failure.ts';
import { refuseHostNetwork } from './judge-reach.ts';
import { leavingMounts } from './leaving-mounts.ts';
import { machineReach } from './machine-reach.ts';
import { type PlanningHost, proxyConfigFile } from './plan-deployment.ts';
import { runStage, type StageDeps } from './run-stage.ts';
import type { WaitDeps } from './wait-until-up.ts';

/** `up` waits for the health of dependencies, which have their own retries and start periods. */
const UP_TIMEOUT_MS = 20 * 60_000;

/** Starts a new generation, the one on the disk after a reboot, or the previous one at a rollback. */
export async function startContainers(
  installed: Installed,
  deps: StageDeps & Pick<WaitDeps, 'proxy' | 'sleep'> & Pick<PlanningHost, 'roleIsGuarded'>,
): Promise<void> {
  const config = await readFile(proxyConfigFile(deps.disk, installed.generation), 'utf8');
  await deps.disk.write(join(deps.disk.proxy.config, 'caddy.json'), config);
  await checkBeforeUp(installed, deps);
  const never = new AbortController().signal;
  await runStage('starting', deps, never, { timeoutMs: UP_TIMEOUT_MS }, (options) =>
    deps.compose.up(installed.call, options),
  );
  // A proxy that was already running has not read its new file; it may also need a moment to open its socket.
  for (let attempt = 1; ; attempt++) {
    try {
      return await deps.proxy.load(config);
    } catch (error) {
      if (attempt >= 20) throw error;
      await deps.sleep(250);
    }
  }
}

/**
 * Checks what may have changed since the plan: links that a container made (a change in this very moment is not
 * seen), and a machine whose packet rule could not be set at this boot.
 * seen), and a machine whose packet rule could not be set at this boot.
 */
async function checkBeforeUp(
  { call }: Installed,
  { disk, roleIsGuarded }: Pick<StageDeps, 'disk'> & Pick<PlanningHost, 'roleIsGuarded'>,
): Promise<void> {
  const [file] = call.files;
  // An agent without that file kept the repository's own names.
  if (!file?.endsWith('.json')) return;
  const project: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!roleIsGuarded) refuseHostNetwork(machineReach(project, disk.app));
  const [leaving] = leavingMounts(project, disk.app);
  if (leaving === undefined) return;
  failWith(
    'mount-leaves',
    `\`${leaving.slice(0, 200)}\` is mounted, but on the preview's machine it is a link to outside of the repository, which a container must have put there. Mount a named volume instead of it, or have the container that makes the link take it away.`,
  );
}
