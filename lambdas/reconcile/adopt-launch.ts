import type { Host } from '#core/environment';
import { EphError } from '#core/failure';
import { LAUNCH_LAG } from '#core/limits';
import type { Run } from './run.ts';

/**
 * The machine of the row, also when the launch's answer was lost before it could be saved: then EC2 is asked
 * by the token. Undefined: nothing was launched (or it is gone). EC2 tells of a new machine with a delay, so
 * for a while "there is none" is no answer: believing it would leave a machine that nobody knows of.
 */
export async function adoptLaunch(run: Run): Promise<(Host & { instanceId: string }) | undefined> {
  const { host } = run.row.state;
  if (!host) return undefined;
  if (host.instanceId) return { ...host, instanceId: host.instanceId };
  const found = await run.world.ports.machines.findByToken(host.intent.clientToken);
  if (found) return found.power === 'gone' ? undefined : { ...host, instanceId: found.instanceId };
  if (run.world.ports.now() - host.startedAt >= LAUNCH_LAG) return undefined;
  throw new EphError(
    'transient',
    'launch_unsettled',
    'It is not known yet whether AWS launched a machine; Eph asks again.',
  );
}
