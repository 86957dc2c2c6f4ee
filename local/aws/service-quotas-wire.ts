/** Service Quotas on the wire, as far as the stand-ins have a limit: EC2's vCPUs. */
import { AwsError } from './aws-error.ts';
import { jsonReply, type Reply } from './aws-protocol.ts';
import type { Ec2 } from './ec2.ts';
import { operationNamed } from './operation-named.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits */
const VCPUS = 'L-1216C47A';

type QuotaOperation = (ec2: Ec2, params: Record<string, unknown>) => object;

export const quotaOperations: Readonly<Record<string, QuotaOperation>> = {
  GetServiceQuota(ec2, { ServiceCode, QuotaCode }) {
    if (ServiceCode !== 'ec2' || QuotaCode !== VCPUS) {
      const message = `The quota ${String(ServiceCode)}/${String(QuotaCode)} does not exist`;
      throw new AwsError('NoSuchResourceException', message);
    }
    const Quota = {
      ServiceCode,
      ServiceName: 'Amazon Elastic Compute Cloud (Amazon EC2)',
      QuotaCode,
      QuotaName: 'Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances',
      Value: ec2.knobs.vcpuLimit,
      Unit: 'None',
      Adjustable: true,
      GlobalQuota: false,
    };
    return { Quota };
  },
};

/** @throws AwsError */
export function answerQuotas(ec2: Ec2, operation: string, params: Record<string, unknown>): Reply {
  const perform = operationNamed(quotaOperations, operation);
  if (perform) return jsonReply(perform(ec2, params));
  throw new AwsError(
    'UnknownOperationException',
    `The local platform does not offer servicequotas:${operation}`,
  );
}
