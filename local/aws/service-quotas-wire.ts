/** Service Quotas on the wire, as far as a limit stands behind it here: EC2's vCPUs. */
import { AwsError } from './aws-error.ts';
import { jsonReply, type Reply } from './aws-protocol.ts';
import type { Ec2 } from './ec2.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits */
const VCPUS = 'L-1216C47A';

/** @throws AwsError */
export function answerQuotas(ec2: Ec2, operation: string, params: Record<string, unknown>): Reply {
  const { ServiceCode, QuotaCode } = params;
  if (ServiceCode !== 'ec2') throw noSuch(`The service ${String(ServiceCode)} is not known here`);
  const vcpus = {
    ServiceCode: 'ec2',
    ServiceName: 'Amazon Elastic Compute Cloud (Amazon EC2)',
    QuotaCode: VCPUS,
    QuotaName: 'Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances',
    Value: ec2.knobs.vcpuLimit,
    Unit: 'None',
    Adjustable: true,
    GlobalQuota: false,
  };
  switch (operation) {
    case 'GetServiceQuota':
      if (QuotaCode !== VCPUS) throw noSuch(`The quota ${String(QuotaCode)} does not exist`);
      return jsonReply({ Quota: vcpus });
    case 'ListServiceQuotas':
      return jsonReply({ Quotas: [vcpus] });
    default:
      throw new AwsError(
        'UnknownOperationException',
        `The local platform does not offer servicequotas:${operation}`,
      );
  }
}

function noSuch(message: string): AwsError {
  return new AwsError('NoSuchResourceException', message);
}
