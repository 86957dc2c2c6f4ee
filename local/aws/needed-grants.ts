/**
 * The rights that a call needs: every action on every resource that it touches, with the condition keys that AWS
 * would supply. https://docs.aws.amazon.com/service-authorization/latest/reference/
 *
 * Gotchas
 * - RunInstances is authorized once per resource it makes or uses (instance, volume, network interface,
 *   image, subnet, security groups, launch template), then CreateTags per tagged resource, then PassRole of
 *   the profile's role. A policy that forgets one of them fails as a whole.
 * - `aws:RequestTag` is present for the resource types that are tagged, absent for the others.
 * - SendCommand needs the document AND each instance; `ssm:resourceTag` is about the instances only.
 */
import type { Call } from './aws-protocol.ts';
import type { Ec2 } from './ec2.ts';
import type { LaunchPlan, Tags } from './ec2-launch.ts';
import { readRunInstances } from './ec2-wire.ts';
import type { AccessRequest, Context } from './iam.ts';
import type { Images } from './images.ts';
import { operationNamed } from './operation-named.ts';
import { s3Operations } from './s3-operations.ts';
import { splitTarget } from './sigv4.ts';

export interface GrantDependencies {
  region: string;
  accountId: string;
  ec2: Ec2;
  images: Images;
  /** Partition key attribute of a table. */
  partitionKeyOf(table: string): string | undefined;
  /** Role behind an instance profile, by ARN or name. */
  roleOfProfile(profile: string): string | undefined;
}

/** @throws AwsError where the service itself checks a parameter before it checks the rights */
export function neededGrants(call: Call, deps: GrantDependencies): AccessRequest[] {
  switch (call.service) {
    case 'sqs':
      return [grant(`sqs:${sqsAction(call.operation)}`, sqsResource(call, deps))];
    case 'dynamodb':
      return dynamoGrants(call, deps);
    case 's3':
      return s3Grants(call);
    case 'ec2':
      return ec2Grants(call, deps);
    case 'ssm':
      return ssmGrants(call, deps);
    case 'lambda':
      if (call.operation === 'GetAccountSettings') return [grant('lambda:GetAccountSettings', '*')];
      return [
        grant(
          `lambda:${call.operation === 'Invoke' ? 'InvokeFunction' : call.operation}`,
          `arn:aws:lambda:${deps.region}:${deps.accountId}:function:${call.key}`,
        ),
      ];
    case 'iam': {
      const role = textOf(call.params['RoleName']);
      const whose = role === undefined ? `user/${textOf(call.params['UserName']) ?? '*'}` : `role/${role}`;
      return [grant(`iam:${call.operation}`, `arn:aws:iam::${deps.accountId}:${whose}`)];
    }
    case 'cloudformation':
      return [grant(`cloudformation:${call.operation}`, stackResource(call, deps))];
    case 'servicequotas':
      return [grant(`servicequotas:${call.operation}`, quotaResource(call, deps))];
    case 'logs':
      return [grant(`logs:${call.operation}`, logGroupResource(call, deps))];
    case 'sts':
      // GetCallerIdentity cannot be denied.
      if (call.operation !== 'AssumeRole') return [];
      return [grant('sts:AssumeRole', textOf(call.params['RoleArn']) ?? '*')];
  }
}

function grant(action: string, resource: string, context: Context = {}): AccessRequest {
  return { action, resource, context };
}

/** A stack's ARN ends with an id that is made with it; policies therefore end with `*`. */
function stackResource({ params }: Call, { region, accountId }: GrantDependencies): string {
  const name = textOf(params['StackName']);
  return name === undefined ? '*' : `arn:aws:cloudformation:${region}:${accountId}:stack/${name}/local`;
}

function quotaResource({ params }: Call, { region, accountId }: GrantDependencies): string {
  const quota = `${textOf(params['ServiceCode'])}/${textOf(params['QuotaCode'])}`;
  return `arn:aws:servicequotas:${region}:${accountId}:${quota}`;
}

function logGroupResource({ operation, params }: Call, { region, accountId }: GrantDependencies): string {
  const name = textOf(params['logGroupName']);
  if (operation === 'DescribeLogGroups' || name === undefined) return '*';
  return `arn:aws:logs:${region}:${accountId}:log-group:${name}:*`;
}

function sqsAction(operation: string): string {
  return operation.replace(/^(SendMessage|DeleteMessage|ChangeMessageVisibility)Batch$/, '$1');
}

function sqsResource({ params }: Call, { region, accountId }: GrantDependencies): string {
  const named = textOf(params['QueueUrl']) ?? textOf(params['QueueName']);
  return named === undefined ? '*' : `arn:aws:sqs:${region}:${accountId}:${named.split('/').at(-1)}`;
}

function dynamoGrants({ operation, params }: Call, deps: GrantDependencies): AccessRequest[] {
  const tableArn = (table: string) => `arn:aws:dynamodb:${deps.region}:${deps.accountId}:table/${table}`;
  const batch = recordOf(params['RequestItems']);
  if (batch) return Object.keys(batch).map((table) => grant(`dynamodb:${operation}`, tableArn(table)));
  const table = textOf(params['TableName']);
  if (table === undefined) return [grant(`dynamodb:${operation}`, '*')];
  const index = textOf(params['IndexName']);
  const leading = leadingKey(params, deps.partitionKeyOf(table));
  const context: Context = leading === undefined ? {} : { 'dynamodb:LeadingKeys': [leading] };
  return [grant(`dynamodb:${operation}`, tableArn(table) + (index ? `/index/${index}` : ''), context)];
}

function leadingKey(params: Record<string, unknown>, partitionKey: string | undefined): string | undefined {
  if (partitionKey === undefined) return undefined;
  const item = recordOf(params['Key']) ?? recordOf(params['Item']);
  if (item) return attributeText(item[partitionKey]);
  const [, name = '', value = ''] =
    /(#?[\w.-]+)\s*=\s*(:\w+)/.exec(textOf(params['KeyConditionExpression']) ?? '') ?? [];
  const real = name.startsWith('#') ? recordOf(params['ExpressionAttributeNames'])?.[name] : name;
  return real === partitionKey
    ? attributeText(recordOf(params['ExpressionAttributeValues'])?.[value])
    : undefined;
}

function attributeText(attribute: unknown): string | undefined {
  const [value] = Object.values(recordOf(attribute) ?? {});
  return textOf(value);
}

function s3Grants({ operation, bucket, key, request }: Call): AccessRequest[] {
  const asked = operationNamed(s3Operations, operation);
  if (!asked) throw new Error(`which right does s3:${operation} take?`);
  const { action, of } = asked;
  const bucketArn = `arn:aws:s3:::${bucket}`;
  if (operation === 'DeleteObjects') {
    return keysToDelete(request.body).map((name) => grant(action, `${bucketArn}/${name}`));
  }
  if (of === 'object') {
    const objectArn = `${bucketArn}/${key}`;
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    const compares = operation === 'PutObject' && request.headers['if-match'] !== undefined;
    return [grant(action, objectArn), ...(compares ? [grant('s3:GetObject', objectArn)] : [])];
  }
  const query = new URLSearchParams(splitTarget(request.target).query);
  const filters = { 's3:prefix': query.get('prefix') ?? '', 's3:delimiter': query.get('delimiter') ?? '' };
  return [grant(action, bucketArn, operation === 'ListObjectsV2' ? filters : {})];
}

function keysToDelete(body: Uint8Array): string[] {
  const found = Buffer.from(body)
    .toString('utf8')
    .matchAll(/<Key>([^<]*)<\/Key>/g);
  return [...found].map(([, key = '']) =>
    key.replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&gt;', '>'),
  );
}

function ec2Grants({ operation, params }: Call, deps: GrantDependencies): AccessRequest[] {
  if (operation === 'RunInstances') return runInstancesGrants(params, deps);
  if (operation.startsWith('Describe')) return [grant(`ec2:${operation}`, '*')];
  const named = Object.entries(params).filter(([name]) =>
    /^(InstanceId\.\d+|ImageId|SnapshotId)$/.test(name),
  );
  return named.map(([, id]) => {
    const tags = tagsOfResource(String(id), deps);
    return grant(`ec2:${operation}`, resourceArn(String(id), deps), resourceTags(tags, 'ec2:ResourceTag'));
  });
}

function tagsOfResource(id: string, { ec2, images }: GrantDependencies): Tags {
  if (id.startsWith('ami-')) return images.find(id)?.tags ?? {};
  if (id.startsWith('snap-')) return images.findSnapshot(id)?.tags ?? {};
  return ec2.find(id)?.tags['instance'] ?? {};
}

/** Images and snapshots carry no account in their ARN. */
function resourceArn(id: string, deps: GrantDependencies): string {
  if (id.startsWith('ami-')) return `arn:aws:ec2:${deps.region}::image/${id}`;
  if (id.startsWith('snap-')) return `arn:aws:ec2:${deps.region}::snapshot/${id}`;
  return ec2Arn(deps, 'instance', id);
}

function runInstancesGrants(params: Record<string, unknown>, deps: GrantDependencies): AccessRequest[] {
  const plan = deps.ec2.plan(readRunInstances(params));
  const common = launchContext(plan, deps);
  const run = (type: string, name: string) =>
    grant(
      'ec2:RunInstances',
      type === 'image' ? `arn:aws:ec2:${deps.region}::image/${name}` : ec2Arn(deps, type, name),
      {
        ...common,
        ...requestTags(plan.tags[type] ?? {}),
      },
    );
  const tagging = Object.entries(plan.tags)
    .filter(([, tags]) => Object.keys(tags).length > 0)
    .map(([type, tags]) =>
      grant('ec2:CreateTags', ec2Arn(deps, type, '*'), {
        'ec2:CreateAction': 'RunInstances',
        ...requestTags(tags),
      }),
    );
  const role = plan.instanceProfile && deps.roleOfProfile(plan.instanceProfile);
  return [
    run('instance', '*'),
    run('volume', '*'),
    run('network-interface', '*'),
    run('image', plan.imageId),
    run('subnet', plan.subnet.id),
    ...plan.securityGroupIds.map((id) => run('security-group', id)),
    ...(plan.launchTemplate ? [run('launch-template', plan.launchTemplate.id)] : []),
    ...tagging,
    ...(role ? [grant('iam:PassRole', role, { 'iam:PassedToService': 'ec2.amazonaws.com' })] : []),
  ];
}

function launchContext(plan: LaunchPlan, deps: GrantDependencies): Context {
  const template = plan.launchTemplate && ec2Arn(deps, 'launch-template', plan.launchTemplate.id);
  return {
    'ec2:InstanceType': plan.instanceType,
    'ec2:Subnet': ec2Arn(deps, 'subnet', plan.subnet.id),
    'ec2:Vpc': ec2Arn(deps, 'vpc', plan.subnet.vpcId),
    'ec2:AvailabilityZone': plan.subnet.zone,
    'ec2:Region': deps.region,
    ...(template && { 'ec2:LaunchTemplate': template, 'ec2:IsLaunchTemplateResource': 'true' }),
    ...(plan.instanceProfile && { 'ec2:InstanceProfile': plan.instanceProfile }),
  };
}

function ec2Arn({ region, accountId }: GrantDependencies, type: string, name: string): string {
  return `arn:aws:ec2:${region}:${accountId}:${type}/${name}`;
}

function ssmGrants({ operation, params }: Call, deps: GrantDependencies): AccessRequest[] {
  const arn = (resource: string) => `arn:aws:ssm:${deps.region}:${deps.accountId}:${resource}`;
  const parameter = (name: string) => arn(`parameter/${name.replace(/^\//, '').replace(/\/$/, '')}`);
  switch (operation) {
    case 'SendCommand': {
      const instances = listOf(params['InstanceIds']).map((id) => {
        const tags = deps.ec2.find(id)?.tags['instance'] ?? {};
        return grant('ssm:SendCommand', ec2Arn(deps, 'instance', id), resourceTags(tags, 'ssm:resourceTag'));
      });
      return [grant('ssm:SendCommand', arn(`document/${String(params['DocumentName'])}`)), ...instances];
    }
    case 'GetParameters':
    case 'DeleteParameters':
      return listOf(params['Names']).map((name) => grant(`ssm:${operation}`, parameter(name)));
    case 'PutParameter':
      return [grant(`ssm:${operation}`, parameter(String(params['Name'])))];
    case 'GetParametersByPath':
      return [grant('ssm:GetParametersByPath', parameter(String(params['Path'])))];
    default:
      return [grant(`ssm:${operation}`, '*')];
  }
}

function requestTags(tags: Tags): Context {
  const keys = Object.keys(tags);
  const each = Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value]);
  return keys.length === 0 ? {} : { ...Object.fromEntries(each), 'aws:TagKeys': keys };
}

function resourceTags(tags: Tags, own: string): Context {
  return Object.fromEntries(
    Object.entries(tags).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`${own}/${key}`, value],
    ]),
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function recordOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
