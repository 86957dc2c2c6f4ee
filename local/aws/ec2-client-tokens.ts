/**
 * EC2's memory of client tokens: per Availability Zone, with the exact parameters, until 24 h after the instances'
 * termination. https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 */
import { AwsError } from './aws-error.ts';
import type { Instance } from './ec2-instance.ts';
import type { RunInstancesRequest } from './ec2-launch.ts';

export interface ClientTokens {
  /**
   * The instances that the same request made before; undefined for a token not seen in this zone.
   * @throws AwsError IdempotentParameterMismatch, IdempotentInstanceTerminated
   */
  launchedBefore(zone: string, request: RunInstancesRequest): Instance[] | undefined;
  remember(zone: string, request: RunInstancesRequest, launched: readonly Instance[]): void;
}

/** @param lookUp finds an instance, with its present state, for as long as its token counts */
export function createClientTokens(lookUp: (instanceId: string) => Instance | undefined): ClientTokens {
  const tokens = new Map<string, { fingerprint: string; instanceIds: string[] }>();
  const keyOf = (zone: string, { clientToken }: RunInstancesRequest) => `${zone}#${clientToken}`;
  return {
    launchedBefore(zone, request) {
      const remembered = request.clientToken === undefined ? undefined : tokens.get(keyOf(zone, request));
      if (!remembered) return undefined;
      const earlier = remembered.instanceIds.map(lookUp).filter((instance) => instance !== undefined);
      if (earlier.length === 0) return undefined;
      if (remembered.fingerprint !== fingerprint(request)) {
        throw new AwsError(
          'IdempotentParameterMismatch',
          'The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical.',
        );
      }
      if (earlier.some(({ state }) => state === 'terminated' || state === 'shutting-down')) {
        throw new AwsError(
          'IdempotentInstanceTerminated',
          'The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.',
        );
      }
      return earlier;
    },
    remember(zone, request, launched) {
      if (request.clientToken === undefined) return;
      tokens.set(keyOf(zone, request), {
        fingerprint: fingerprint(request),
        instanceIds: launched.map(({ id }) => id),
      });
    },
  };
}

function fingerprint({ clientToken: _, ...parameters }: RunInstancesRequest): string {
  return JSON.stringify(parameters, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
