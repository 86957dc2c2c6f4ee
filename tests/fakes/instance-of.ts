import type { EnvironmentState } from '#core/environment';
import { type LaunchIntent, readHostHandle } from '../../lambdas/providers/ec2/host-handle.ts';

/** The machine that a row answers for; undefined while none is known. */
export function instanceOf({ host }: Pick<EnvironmentState, 'host'>): string | undefined {
  return host && readHostHandle(host.handle)?.instanceId;
}

/** The input with which it was, or is to be, launched. */
export function launchOf({ host }: Pick<EnvironmentState, 'host'>): LaunchIntent | undefined {
  return host && readHostHandle(host.handle)?.intent;
}
