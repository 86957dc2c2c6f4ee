import { EphError, type FailureKind } from '#core/failure';
import { withErrors } from './with-errors.ts';

/**
 * Maps AWS errors to the four kinds, in one place, with a sentence if a person can do something.
 * An error that is not named here is transient: to retry an unknown error costs a retry, to give up on one
 * costs an environment.
 */
interface Verdict {
  kind: FailureKind;
  sentence: string;
}

const noMachine: Verdict = {
  kind: 'capacity',
  sentence: 'AWS has no machine of this type free at the moment. Eph keeps trying, in other zones too.',
};
const tokenSpent: Verdict = {
  kind: 'transient',
  sentence: 'A machine for this attempt was asked for before with other settings.',
};
const notOnFreePlan: Verdict = {
  kind: 'capacity',
  sentence:
    'The AWS account is on the free plan and may not launch machines of this type. Choose another `instance_type` in `eph.yaml`; or its operator names others in `DEFAULT_INSTANCE_TYPES`, or upgrades the account. Eph keeps trying.',
};
/** Our own codes, where AWS has one for several things or several for one. */
const ownCodes = new Map<Verdict, string>([
  [tokenSpent, 'launch_token_spent'],
  [notOnFreePlan, 'not_on_free_plan'],
]);

const verdicts: Record<string, Verdict> = {
  InsufficientInstanceCapacity: noMachine,
  InsufficientHostCapacity: noMachine,
  InsufficientReservedInstanceCapacity: noMachine,
  InsufficientFreeAddressesInSubnet: {
    kind: 'capacity',
    sentence: 'The subnet that was tried has no free address. Eph tries another one.',
  },
  VcpuLimitExceeded: {
    kind: 'capacity',
    sentence:
      'The AWS account has reached its limit of running vCPUs ("Running On-Demand Standard instances", L-1216C47A). The preview starts when another one stops, or when the limit is raised under Service Quotas.',
  },
  InstanceLimitExceeded: {
    kind: 'capacity',
    sentence:
      'The AWS account has reached its limit of running machines. The preview starts when another one stops, or when the limit is raised under Service Quotas.',
  },
  MaxSpotInstanceCountExceeded: {
    kind: 'capacity',
    sentence:
      'The AWS account has reached its limit of spot vCPUs ("All Standard Spot Instance Requests", L-34B43A08). The preview starts when another one stops, or when the limit is raised under Service Quotas.',
  },
  VolumeLimitExceeded: {
    kind: 'capacity',
    sentence:
      'The AWS account has reached its limit of disk space ("Storage for General Purpose SSD (gp3) volumes", L-7A658B76). The preview starts when another one is gone, or when the limit is raised under Service Quotas.',
  },
  PendingVerification: {
    kind: 'capacity',
    sentence:
      'AWS is still checking this account for its region and launches nothing until then (up to four hours, it sends a mail). The preview starts by itself.',
  },
  Unsupported: {
    kind: 'capacity',
    sentence: 'This machine type is not offered in the zone that was tried. Eph tries another one.',
  },
  InvalidParameterCombination: {
    kind: 'permanent',
    sentence:
      'AWS refuses this combination of machine type and image. Choose another `instance_type` in `eph.yaml`.',
  },
  'InvalidAMIID.NotFound': {
    kind: 'permanent',
    sentence:
      'The machine image of this Eph does not exist any more. Its operator needs to build it again (`make ami-build`).',
  },
  IdempotentParameterMismatch: tokenSpent,
  IdempotentInstanceTerminated: tokenSpent,
};

export function asAwsError(service: string, error: unknown): unknown {
  if (error instanceof EphError || !(error instanceof Error)) return error;
  const verdict = isNotOnFreePlan(error) ? notOnFreePlan : verdicts[error.name];
  if (verdict) {
    const code = ownCodes.get(verdict) ?? error.name;
    return new EphError(verdict.kind, code, verdict.sentence, { cause: error });
  }
  if (/^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/.test(error.name)) {
    // This is transient on purpose: a deploy repairs rights, and then everything must continue by itself.
    const sentence = `Eph’s role lacks a right on ${service}. Its operator needs to deploy again (\`make deploy\`).`;
    return new EphError('transient', error.name, sentence, { cause: error });
  }
  return new EphError('transient', error.name, `${service} did not answer as expected.`, { cause: error });
}

/**
 * EC2 says this only in the message: the code is the same for every combination that EC2 refuses.
 * https://github.com/LinkedInLearning/learning-terraform-3087701/issues/345
 */
function isNotOnFreePlan({ name, message }: Error): boolean {
  return (
    name === 'InvalidParameterCombination' && /instance type is not eligible for Free Tier/i.test(message)
  );
}

/** The port, with every method's errors passed through `asAwsError`. */
export function withAwsErrors<T extends object>(service: string, port: T): T {
  return withErrors(port, (error) => asAwsError(service, error));
}
