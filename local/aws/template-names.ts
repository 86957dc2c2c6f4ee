/** The values of `Ref` and `Fn::GetAtt` for each kind of resource, on the local platform. */
import { createHash } from 'node:crypto';
import type { Resolver, Resource } from './template-intrinsics.ts';
import { launchTemplateVersions } from './template-launch-template.ts';

/** The property that names a resource, and the longest name that its service accepts. */
const nameProperties: Record<string, [property: string, longest: number]> = {
  'AWS::SQS::Queue': ['QueueName', 80],
  'AWS::DynamoDB::Table': ['TableName', 255],
  'AWS::DynamoDB::GlobalTable': ['TableName', 255],
  'AWS::S3::Bucket': ['BucketName', 63],
  'AWS::Lambda::Function': ['FunctionName', 64],
  'AWS::IAM::Role': ['RoleName', 64],
  'AWS::IAM::User': ['UserName', 64],
  'AWS::IAM::InstanceProfile': ['InstanceProfileName', 128],
  'AWS::IAM::ManagedPolicy': ['ManagedPolicyName', 128],
  'AWS::EC2::LaunchTemplate': ['LaunchTemplateName', 128],
  'AWS::SSM::Document': ['Name', 128],
  'AWS::SSM::Parameter': ['Name', 1011],
  'AWS::Events::Rule': ['Name', 64],
  'AWS::Logs::LogGroup': ['LogGroupName', 512],
};

/** For resources that are known by an id: the id's prefix. */
const idPrefixes: Record<string, string> = {
  'AWS::EC2::LaunchTemplate': 'lt',
  'AWS::EC2::Subnet': 'subnet',
  'AWS::EC2::VPC': 'vpc',
  'AWS::EC2::SecurityGroup': 'sg',
  'AWS::EC2::RouteTable': 'rtb',
  'AWS::EC2::InternetGateway': 'igw',
  'AWS::EC2::VPCEndpoint': 'vpce',
};

export function referenceOf(resolver: Resolver, logicalId: string): string {
  const resource = resourceOf(resolver, logicalId);
  const prefix = idPrefixes[resource.Type];
  if (prefix) return `${prefix}-${digest(resolver, logicalId).slice(0, 17)}`;
  if (resource.Type === 'AWS::SQS::Queue') return resolver.facts.queueUrl(physicalName(resolver, logicalId));
  if (resource.Type in nameProperties) return physicalName(resolver, logicalId);
  throw new Error(`the local platform does not know what Ref of ${logicalId} (${resource.Type}) is`);
}

export function physicalName(resolver: Resolver, logicalId: string): string {
  const resource = resourceOf(resolver, logicalId);
  const [property, longest] = nameProperties[resource.Type] ?? [];
  if (!property || !longest) throw new Error(`${logicalId} (${resource.Type}) has no name`);
  const given = resolver.resolve(resource.Properties[property]);
  if (typeof given === 'string') return given;
  const suffix = `-${digest(resolver, logicalId).slice(0, 12)}`;
  const name = `${resolver.facts.stackName}-${logicalId}`.slice(0, longest - suffix.length) + suffix;
  return resource.Type === 'AWS::S3::Bucket' ? name.toLowerCase() : name;
}

export function attributeOf(resolver: Resolver, logicalId: string, attribute: string): string {
  const resource = resourceOf(resolver, logicalId);
  const value = knownAttribute(resolver, logicalId, resource, attribute);
  if (value !== undefined) return value;
  throw new Error(`the local platform does not know ${logicalId}.${attribute} (${resource.Type})`);
}

function knownAttribute(
  resolver: Resolver,
  logicalId: string,
  resource: Resource,
  attribute: string,
): string | undefined {
  const { region, accountId } = resolver.facts;
  const name = () => physicalName(resolver, logicalId);
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${accountId}:${rest}`;
  switch (`${resource.Type}.${attribute}`) {
    case 'AWS::SQS::Queue.Arn':
      return arn('sqs', name());
    case 'AWS::SQS::Queue.QueueName':
      return name();
    case 'AWS::SQS::Queue.QueueUrl':
      return resolver.facts.queueUrl(name());
    case 'AWS::DynamoDB::Table.Arn':
    case 'AWS::DynamoDB::GlobalTable.Arn':
      return arn('dynamodb', `table/${name()}`);
    case 'AWS::S3::Bucket.Arn':
      return `arn:aws:s3:::${name()}`;
    case 'AWS::S3::Bucket.RegionalDomainName':
      return `${name()}.s3.${region}.amazonaws.com`;
    case 'AWS::Lambda::Function.Arn':
      return arn('lambda', `function:${name()}`);
    case 'AWS::Lambda::Url.FunctionUrl': {
      const target = resolver.text(
        resource.Properties['TargetFunctionArn'],
        `${logicalId}.TargetFunctionArn`,
      );
      return resolver.facts.functionUrl(lastPart(target));
    }
    case 'AWS::IAM::Role.Arn':
      return `arn:aws:iam::${accountId}:role/${name()}`;
    case 'AWS::IAM::Role.RoleId':
      return iamId('AROA', resolver, logicalId);
    case 'AWS::IAM::User.Arn':
      return `arn:aws:iam::${accountId}:user/${name()}`;
    case 'AWS::IAM::InstanceProfile.Arn':
      return `arn:aws:iam::${accountId}:instance-profile/${name()}`;
    case 'AWS::EC2::LaunchTemplate.LatestVersionNumber': {
      const properties = resolver.resolve(resource.Properties);
      const versions = launchTemplateVersions(resolver, referenceOf(resolver, logicalId), properties);
      return String(versions.at(-1)?.version);
    }
    case 'AWS::EC2::LaunchTemplate.DefaultVersionNumber':
      return '1';
    case 'AWS::EC2::LaunchTemplate.LaunchTemplateId':
    case 'AWS::EC2::Subnet.SubnetId':
    case 'AWS::EC2::VPC.VpcId':
    case 'AWS::EC2::SecurityGroup.GroupId':
    case 'AWS::EC2::SecurityGroup.Id':
      return referenceOf(resolver, logicalId);
    case 'AWS::EC2::SecurityGroup.VpcId':
      return resolver.text(resource.Properties['VpcId'], `${logicalId}.VpcId`);
    case 'AWS::EC2::Subnet.AvailabilityZone':
      return resolver.text(resource.Properties['AvailabilityZone'], `${logicalId}.AvailabilityZone`);
    case 'AWS::SSM::Parameter.Value':
      return resolver.text(resource.Properties['Value'], `${logicalId}.Value`);
    case 'AWS::Events::Rule.Arn':
      return arn('events', `rule/${name()}`);
    case 'AWS::Logs::LogGroup.Arn':
      return arn('logs', `log-group:${name()}:*`);
    default:
      return undefined;
  }
}

export function iamId(prefix: string, resolver: Resolver, logicalId: string): string {
  const decimal = BigInt(`0x${digest(resolver, logicalId)}`)
    .toString(36)
    .toUpperCase();
  return prefix + decimal.slice(0, 17);
}

function digest({ facts }: Resolver, logicalId: string): string {
  return createHash('sha256').update(`${facts.stackName}/${logicalId}`).digest('hex');
}

function resourceOf({ template }: Resolver, logicalId: string): Resource {
  const resource = template.Resources[logicalId];
  if (!resource) throw new Error(`the template has no resource ${logicalId}`);
  return resource;
}

export function arnOf(resolver: Resolver, logicalId: string): string {
  return resolver.text({ 'Fn::GetAtt': [logicalId, 'Arn'] }, `${logicalId}.Arn`);
}

/** The name at the end of an ARN or a URL; a plain name stays as it is. */
export function lastPart(arn: string): string {
  return arn.split(/[:/]/).at(-1) ?? arn;
}
