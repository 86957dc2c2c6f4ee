import {
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeVpcBlockPublicAccessOptionsCommand,
  type EC2Client,
  GetEbsDefaultKmsKeyIdCommand,
  paginateDescribeInstances,
} from '@aws-sdk/client-ec2';
import { GetAccountSettingsCommand } from '@aws-sdk/client-lambda';
import { GetServiceQuotaCommand } from '@aws-sdk/client-service-quotas';
import { GetParametersCommand } from '@aws-sdk/client-ssm';
import { bad, type Check, good, type Verdict, warning } from './check.ts';
import type { Prerequisites } from './prerequisites.ts';

/** "Running On-Demand Standard instances", in vCPUs; 5 in a young account. */
const VCPU_QUOTA = 'L-1216C47A';
/** With fewer machines at once than this, a team soon has to wait. */
const FEW_HOSTS = 3;
/** AWS refuses a request that was signed earlier or later than this. */
const MAX_SKEW_MS = 5 * 60_000;
const WORTH_A_WORD_MS = 30_000;
/** `cdk bootstrap` writes it; older versions lack what the template's assets need. */
const BOOTSTRAP_PARAMETER = '/cdk-bootstrap/hnb659fds/version';
const LEAST_BOOTSTRAP = 6;

/** Checks of the account, before anything of Eph is in it. */
export function awsChecks(known: Prerequisites): Check[] {
  const group = 'AWS account';
  return [
    { group, title: 'Credentials', run: () => checkIdentity(known) },
    { group, title: 'Clock', run: () => checkClock(known) },
    { group, title: 'CDK bootstrap', run: () => checkBootstrap(known) },
    { group, title: 'Instance types', run: () => checkTypes(known) },
    { group, title: 'vCPU quota', run: () => checkVcpus(known) },
    { group, title: 'Disk encryption', run: () => checkDiskKey(known) },
    { group, title: 'Lambda concurrency', run: () => checkConcurrency(known) },
    { group, title: 'VPC Block Public Access', run: () => checkPublicAccess(known) },
    { group, title: 'Alarms', run: () => checkAlarms(known) },
  ];
}

async function checkIdentity({ identity, deployment }: Prerequisites): Promise<Verdict> {
  const { account, arn } = await identity();
  return good(`AWS account ${account} as ${arn}, region ${deployment.settings.AWS_REGION}`);
}

async function checkClock({ aws, identity, deployment }: Prerequisites): Promise<Verdict> {
  await aws();
  const { serverTime } = await identity();
  const skew = serverTime === undefined ? 0 : deployment.now() - serverTime;
  const seconds = Math.round(Math.abs(skew) / 1000);
  const direction = skew > 0 ? 'ahead of' : 'behind';
  const fix = "Set this machine's clock right (timedatectl set-ntp true).";
  if (Math.abs(skew) > MAX_SKEW_MS) {
    return bad(`This machine's clock is ${seconds} s ${direction} AWS', which refuses such requests.`, fix);
  }
  if (Math.abs(skew) > WORTH_A_WORD_MS) {
    return warning(`This machine's clock is ${seconds} s ${direction} AWS'; GitHub refuses 60 s.`, fix);
  }
  return good('The clock agrees with that of AWS');
}

async function checkBootstrap({ aws, identity, deployment }: Prerequisites): Promise<Verdict> {
  const { ssm } = await aws();
  const { account } = await identity();
  const { Parameters } = await ssm.send(new GetParametersCommand({ Names: [BOOTSTRAP_PARAMETER] }));
  const version = Number(Parameters?.[0]?.Value ?? 0);
  const where = `aws://${account}/${deployment.settings.AWS_REGION}`;
  if (version >= LEAST_BOOTSTRAP) return good(`CDK is bootstrapped in ${where}, version ${version}`);
  return warning(
    version === 0
      ? `CDK is not bootstrapped in ${where}: a bucket and roles that CloudFormation deploys with.`
      : `CDK's bootstrap stack in ${where} is version ${version}, older than ${LEAST_BOOTSTRAP}.`,
    `make deploy does it; or npx cdk bootstrap ${where}`,
  );
}

async function checkTypes({ aws, deployment }: Prerequisites): Promise<Verdict> {
  const { ec2 } = await aws();
  const { DEFAULT_INSTANCE_TYPES, DEFAULT_INSTANCE_TYPES_ARM64, ARM64, AWS_REGION } = deployment.settings;
  const wanted = [...DEFAULT_INSTANCE_TYPES, ...(ARM64 ? DEFAULT_INSTANCE_TYPES_ARM64 : [])];
  const { InstanceTypeOfferings = [] } = await ec2.send(
    new DescribeInstanceTypeOfferingsCommand({
      LocationType: 'region',
      Filters: [{ Name: 'instance-type', Values: wanted }],
    }),
  );
  const offered = InstanceTypeOfferings.map(({ InstanceType }) => String(InstanceType));
  const missing = wanted.filter((type) => !offered.includes(type));
  if (missing.length === 0) return good(`${AWS_REGION} has ${wanted.join(', ')}`);
  const text = `${AWS_REGION} does not have ${missing.join(', ')}.`;
  const fix = 'Name others in DEFAULT_INSTANCE_TYPES (DEFAULT_INSTANCE_TYPES_ARM64).';
  const left = DEFAULT_INSTANCE_TYPES.some((type) => offered.includes(type));
  return left ? warning(text, fix) : bad(text, fix);
}

async function checkVcpus({ aws, deployment }: Prerequisites): Promise<Verdict> {
  const { ec2, quotas } = await aws();
  const { AWS_REGION, DEFAULT_INSTANCE_TYPES } = deployment.settings;
  const [type = 't3.small'] = DEFAULT_INSTANCE_TYPES;
  const [{ Quota }, each, used] = await Promise.all([
    quotas.send(new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: VCPU_QUOTA })),
    vcpusOf(ec2, type),
    vcpusInUse(ec2),
  ]);
  const limit = Quota?.Value ?? 0;
  const hosts = Math.floor(limit / each);
  const text = `EC2 lets ${limit} vCPUs run at once here (${used} do): ${hosts} ${hosts === 1 ? 'environment' : 'environments'} of ${type} awake at a time`;
  const fix = `Ask for more, it takes hours to days: https://${AWS_REGION}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/${VCPU_QUOTA}`;
  if (hosts === 0) return bad(`${text}.`, fix);
  return hosts < FEW_HOSTS ? warning(`${text}.`, fix) : good(text);
}

/**
 * Hosts' disks are encrypted with the account's default key. If that is a key of the account's own, and the launching
 * identity may not use it, the launch is accepted, and the machine ends in `Client.InternalError`.
 * https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
 */
async function checkDiskKey({ aws, identity, deployment }: Prerequisites): Promise<Verdict> {
  const { ec2 } = await aws();
  const { account } = await identity();
  const { KmsKeyId = '' } = await ec2.send(new GetEbsDefaultKmsKeyIdCommand({}));
  if (KmsKeyId.endsWith('alias/aws/ebs')) return good("Disks are encrypted with AWS' own key");
  const { AWS_REGION } = deployment.settings;
  return warning(
    `Disks are encrypted with a key of yours (${KmsKeyId}): machines of whoever may not use it end as they start.`,
    `Let its key policy allow everybody of account ${account} to use it by way of EC2 (kms:ViaService ec2.${AWS_REGION}.amazonaws.com), as the policy of AWS' own key does; make smoke shows whether it works.`,
  );
}

async function vcpusOf(ec2: EC2Client, type: string): Promise<number> {
  const filter = { Name: 'instance-type', Values: [type] };
  const { InstanceTypes } = await ec2.send(new DescribeInstanceTypesCommand({ Filters: [filter] }));
  return InstanceTypes?.[0]?.VCpuInfo?.DefaultVCpus ?? 2;
}

/** The vCPUs of all instances that count against the quota, also those that are not ours. */
async function vcpusInUse(client: EC2Client): Promise<number> {
  const Filters = [{ Name: 'instance-state-name', Values: ['pending', 'running'] }];
  let used = 0;
  for await (const { Reservations = [] } of paginateDescribeInstances({ client }, { Filters })) {
    for (const { CpuOptions } of Reservations.flatMap(({ Instances = [] }) => Instances)) {
      used += (CpuOptions?.CoreCount ?? 1) * (CpuOptions?.ThreadsPerCore ?? 2);
    }
  }
  return used;
}

async function checkConcurrency({ aws, deployment }: Prerequisites): Promise<Verdict> {
  const { lambda } = await aws();
  const { DEPLOYER_CONCURRENCY } = deployment.settings;
  const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand({}));
  const limit = AccountLimit?.UnreservedConcurrentExecutions ?? 0;
  if (limit >= DEPLOYER_CONCURRENCY) {
    return good(
      `Lambda runs ${limit} at once in this account; Eph takes ${DEPLOYER_CONCURRENCY} of them at most`,
    );
  }
  return bad(
    `Lambda runs only ${limit} at once in this account, DEPLOYER_CONCURRENCY is ${DEPLOYER_CONCURRENCY}: throttled jobs would end as dead letters.`,
    `DEPLOYER_CONCURRENCY=${Math.max(2, limit)} in the settings, or ask AWS for more (quota L-B99A9384).`,
  );
}

/** Both settings of it cut off a machine that has a public address and no NAT gateway. */
async function checkPublicAccess({ aws, deployment }: Prerequisites): Promise<Verdict> {
  const { ec2 } = await aws();
  const answer = await ec2.send(new DescribeVpcBlockPublicAccessOptionsCommand({}));
  const mode = answer.VpcBlockPublicAccessOptions?.InternetGatewayBlockMode ?? 'off';
  if (mode === 'off') return good('VPC Block Public Access is off');
  const { BLOCK_PUBLIC_ACCESS_EXCLUSION, VPC_ID } = deployment.settings;
  if (BLOCK_PUBLIC_ACCESS_EXCLUSION) return good(`VPC Block Public Access is ${mode}; our VPC is excluded`);
  const text = `VPC Block Public Access of this account is ${mode}: machines would reach neither GitHub nor Cloudflare.`;
  return VPC_ID
    ? warning(
        text,
        `Right if the subnets of ${VPC_ID} lead to a NAT gateway and the mode is block-ingress; else exclude that VPC.`,
      )
    : bad(
        text,
        'BLOCK_PUBLIC_ACCESS_EXCLUSION=true excludes our VPC alone; or bring one with a NAT gateway (VPC_ID).',
      );
}

async function checkAlarms({ deployment }: Prerequisites): Promise<Verdict> {
  const { ALARM_EMAIL } = deployment.settings;
  return ALARM_EMAIL
    ? good(`Alarms are sent to ${ALARM_EMAIL} (once the mail that AWS sent there is answered)`)
    : warning(
        'Nobody is told when an alarm goes off.',
        'Set ALARM_EMAIL, and MONTHLY_BUDGET_USD for the costs.',
      );
}
