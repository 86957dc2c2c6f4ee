/**
 * RunInstances' plan from a request and a launch template: merged, checked, with AWS' own errors. Pure.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
 */
import { AwsError } from './aws-error.ts';

export type Tags = Record<string, string>;

export interface NetworkInterface {
  deviceIndex: number;
  subnetId?: string | undefined;
  groups?: string[] | undefined;
  associatePublicIp?: boolean | undefined;
}

/** The fields that both a request and a launch template version may set. */
export interface LaunchData {
  imageId?: string | undefined;
  instanceType?: string | undefined;
  subnetId?: string | undefined;
  securityGroupIds?: string[] | undefined;
  networkInterfaces?: NetworkInterface[] | undefined;
  /** ARN or name. */
  instanceProfile?: string | undefined;
  /** Base64. */
  userData?: string | undefined;
  shutdownBehavior?: 'stop' | 'terminate' | undefined;
  /** `standard` or `unlimited`; refused for types that are not burstable. */
  cpuCredits?: string | undefined;
  /** By resource type: `instance`, `volume`, `network-interface`. */
  tags?: Record<string, Tags> | undefined;
}

export interface RunInstancesRequest extends LaunchData {
  minCount: number;
  maxCount: number;
  launchTemplate?:
    | { id?: string | undefined; name?: string | undefined; version?: string | undefined }
    | undefined;
  clientToken?: string | undefined;
}

export interface LaunchTemplate {
  id: string;
  name: string;
  defaultVersion: number;
  versions: { version: number; data: LaunchData }[];
}

export interface Subnet {
  id: string;
  zone: string;
  vpcId: string;
  /** MapPublicIpOnLaunch. */
  publicIp: boolean;
}

export interface LaunchPlan {
  imageId: string;
  instanceType: string;
  subnet: Subnet;
  securityGroupIds: string[];
  publicIp: boolean;
  instanceProfile: string | undefined;
  userData: string;
  shutdownBehavior: 'stop' | 'terminate';
  tags: Record<string, Tags>;
  launchTemplate: { id: string; version: number } | undefined;
}

export interface LaunchDependencies {
  subnets: readonly Subnet[];
  launchTemplates: readonly LaunchTemplate[];
  /** The AMI behind an id or a `resolve:ssm:<parameter>`; undefined if there is none. */
  image(idOrAlias: string): string | undefined;
}

/** RunInstances accepts 16 KB of user data before it is encoded. */
const MAX_USER_DATA_BYTES = 16 * 1024;
/** RunInstances' default type; few accounts can start one, and nobody wants it. */
const DEFAULT_TYPE = 'm1.small';

/** @throws AwsError with the errors of RunInstances */
export function planLaunch(request: RunInstancesRequest, deps: LaunchDependencies): LaunchPlan {
  checkCounts(request);
  const template = chosenVersion(request, deps.launchTemplates);
  const merged = mergeLaunchData(template?.data ?? {}, request);
  const network = networkOf(merged, request, deps.subnets);
  if (!merged.imageId) throw missing('ImageId');
  const imageId = deps.image(merged.imageId);
  if (!imageId) {
    const code = /^ami-[0-9a-f]{8,17}$/.test(merged.imageId)
      ? 'InvalidAMIID.NotFound'
      : 'InvalidAMIID.Malformed';
    throw new AwsError(code, `The image id '[${merged.imageId}]' does not exist`);
  }
  const instanceType = merged.instanceType ?? DEFAULT_TYPE;
  if (merged.cpuCredits !== undefined && !/^t\d/.test(instanceType)) {
    throw new AwsError(
      'InstanceCreditSpecification.NotSupported',
      `The specified instance type '${instanceType}' does not support configuring CPU credits.`,
    );
  }
  return {
    imageId,
    instanceType,
    ...network,
    instanceProfile: merged.instanceProfile,
    userData: decodedUserData(merged.userData),
    shutdownBehavior: merged.shutdownBehavior ?? 'stop',
    tags: merged.tags ?? {},
    launchTemplate: template && { id: template.id, version: template.version },
  };
}

function checkCounts(request: RunInstancesRequest): void {
  if (!Number.isInteger(request.minCount)) throw missing('MinCount');
  if (!Number.isInteger(request.maxCount)) throw missing('MaxCount');
  if (request.minCount < 1 || request.minCount > request.maxCount) {
    throw new AwsError('InvalidParameterValue', 'Value for minCount must be positive and at most maxCount');
  }
  if (request.clientToken !== undefined && !/^[\x20-\x7e]{1,64}$/.test(request.clientToken)) {
    throw new AwsError('InvalidParameterValue', 'The client token must be 1 to 64 ASCII characters');
  }
}

function chosenVersion(request: RunInstancesRequest, templates: readonly LaunchTemplate[]) {
  const wanted = request.launchTemplate;
  if (!wanted) return undefined;
  const template = templates.find(({ id, name }) => (wanted.id ? id === wanted.id : name === wanted.name));
  if (!template) {
    throw wanted.id
      ? new AwsError(
          'InvalidLaunchTemplateId.NotFound',
          `The specified launch template, with template ID ${wanted.id}, does not exist.`,
        )
      : new AwsError(
          'InvalidLaunchTemplateName.NotFoundException',
          `At least one of the launch templates specified in the request does not exist: ${wanted.name}.`,
        );
  }
  const version = versionNumber(template, wanted.version ?? '$Default');
  const found = template.versions.find((candidate) => candidate.version === version);
  if (!found) {
    throw new AwsError(
      'InvalidLaunchTemplateId.VersionNotFound',
      `Could not find launch template version ${wanted.version} of ${template.id}.`,
    );
  }
  return { id: template.id, version: found.version, data: found.data };
}

function versionNumber(template: LaunchTemplate, version: string): number {
  if (version === '$Default') return template.defaultVersion;
  if (version === '$Latest') return Math.max(...template.versions.map((candidate) => candidate.version));
  return Number(version);
}

/** The request's value wins; tags merge by key, network interfaces by device. */
function mergeLaunchData(template: LaunchData, request: LaunchData): LaunchData {
  const set = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const types = new Set([...Object.keys(template.tags ?? {}), ...Object.keys(request.tags ?? {})]);
  const tags = Object.fromEntries(
    [...types].map((type) => [type, { ...template.tags?.[type], ...request.tags?.[type] }]),
  );
  return { ...template, ...set, tags, networkInterfaces: mergeInterfaces(template, request) };
}

function mergeInterfaces(template: LaunchData, request: LaunchData): NetworkInterface[] | undefined {
  if (!template.networkInterfaces || !request.networkInterfaces) {
    return request.networkInterfaces ?? template.networkInterfaces;
  }
  const own = request.networkInterfaces;
  const kept = template.networkInterfaces.filter(
    (nic) => !own.some((o) => o.deviceIndex === nic.deviceIndex),
  );
  const merged = own.map((nic) => {
    const base = template.networkInterfaces?.find((candidate) => candidate.deviceIndex === nic.deviceIndex);
    const set = Object.fromEntries(Object.entries(nic).filter(([, value]) => value !== undefined));
    return { deviceIndex: nic.deviceIndex, ...base, ...set };
  });
  return [...merged, ...kept];
}

function networkOf(merged: LaunchData, request: LaunchData, subnets: readonly Subnet[]) {
  const nic = merged.networkInterfaces?.find((candidate) => candidate.deviceIndex === 0);
  if (nic && (request.subnetId || merged.subnetId)) {
    throw combination(
      'Network interfaces and an instance-level subnet ID may not be specified on the same request',
    );
  }
  if (nic && (request.securityGroupIds || merged.securityGroupIds)) {
    throw combination(
      'Network interfaces and an instance-level security groups may not be specified on the same request',
    );
  }
  const subnetId = nic?.subnetId ?? merged.subnetId;
  if (!subnetId)
    throw new AwsError('MissingInput', 'No subnets found for the default VPC. Please specify a subnet.');
  const subnet = subnets.find(({ id }) => id === subnetId);
  if (!subnet) throw new AwsError('InvalidSubnetID.NotFound', `The subnet ID '${subnetId}' does not exist`);
  return {
    subnet,
    securityGroupIds: nic?.groups ?? merged.securityGroupIds ?? [],
    publicIp: nic?.associatePublicIp ?? subnet.publicIp,
  };
}

function decodedUserData(base64: string | undefined): string {
  if (base64 === undefined) return '';
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(base64)) {
    throw new AwsError('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.');
  }
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.byteLength > MAX_USER_DATA_BYTES) {
    throw new AwsError('InvalidParameterValue', 'User data is limited to 16384 bytes');
  }
  return bytes.toString('utf8');
}

function missing(parameter: string): AwsError {
  return new AwsError('MissingParameter', `The request must contain the parameter ${parameter}`);
}

function combination(message: string): AwsError {
  return new AwsError('InvalidParameterCombination', message);
}
