import { type EnvironmentState, type Host, newState, type SentSpec } from '#core/environment';
import type { Handle } from '#core/handle';
import { defaultPreviewConfig } from '#core/preview-config';
import type { HostRequirements } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { hostHandle } from '../../lambdas/providers/ec2/host-handle.ts';
import { SHA, samplePull } from './sample-pull.ts';

export { SHA, samplePull };

/** An environment in the middle of its life, at time 0 of the table tests; each row says what is different. */
export const OTHER_SHA = 'b'.repeat(40);

export const sampleInstance = 'i-0123456789abcdef0';
export const sampleHost: Host = {
  handle: hostHandle({
    intent: {
      clientToken: 'token',
      subnetId: 'subnet-a',
      instanceType: 't3.small',
      imageId: 'ami-1',
      launchTemplateId: 'lt-1',
      launchTemplateVersion: '1',
      userData: '',
    },
    attempt: 1,
    begunAt: 0,
    instanceId: sampleInstance,
    registered: true,
  }),
  startedAt: 0,
  power: 'on',
  heard: true,
};

/** Only its provider knows what it is made of. */
export const sampleIngress: Handle = { kind: 'sample', v: 1, data: { id: 'address' } };

export const sampleSentSpec: SentSpec = {
  generation: 1,
  revision: 1,
  sha: SHA,
  source: 'archive',
  mailedAt: 0,
  rung: true,
};

export const sampleRequirements: HostRequirements = {
  arch: 'amd64',
  instanceTypes: ['t3.small'],
  refusals: 0,
};

/** An environment that is ready and reported. */
export function readyState(changes: Partial<EnvironmentState> = {}): EnvironmentState {
  return {
    ...newState(0),
    phase: 'ready',
    wanted: { level: 'serving', reason: 'wanted' },
    name: 'shop-calm-lake-000000-1',
    hostname: 'shop-calm-lake-000000-1-pr.eph.test',
    pull: samplePull,
    access: '1',
    settings: { sha: SHA, config: defaultPreviewConfig, found: false },
    attempt: 1,
    host: sampleHost,
    ingress: sampleIngress,
    generation: 1,
    order: { ...sampleSentSpec, finished: 'ready' },
    serving: { sha: SHA, generation: 1, since: 0 },
    ...changes,
  };
}

/** Leaves out the named keys, because exact optional properties cannot be set to undefined. */
export function without<K extends keyof EnvironmentState>(
  state: EnvironmentState,
  ...keys: K[]
): EnvironmentState {
  const copy: Partial<EnvironmentState> = { ...state };
  for (const key of keys) delete copy[key];
  return copy as EnvironmentState;
}
