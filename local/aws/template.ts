/**
 * A synthesised CDK template as a plain description, from which `startAws` makes the stand-ins' contents. The local
 * platform runs what would be deployed. An unknown resource type is an error, because without it the local platform
 * would behave differently from AWS.
 */
import * as v from 'valibot';
import type { LaunchTemplate, Subnet } from './ec2-launch.ts';
import { parsePolicy, type Statement } from './iam.ts';
import { type CommandDocument, parseDocument } from './ssm-document.ts';
import {
  type EventSourceDescription,
  type FunctionDescription,
  type FunctionUrlDescription,
  type RuleDescription,
  readEventSource,
  readFunction,
  readFunctionUrl,
  readPermission,
  readRule,
} from './template-functions.ts';
import { type Identity, readIdentities } from './template-identities.ts';
import {
  createResolver,
  parseTemplate,
  type Resolver,
  type Resource,
  type StackFacts,
} from './template-intrinsics.ts';
import { launchTemplateVersions } from './template-launch-template.ts';
import { lastPart, physicalName, referenceOf } from './template-names.ts';
import {
  type BucketDescription,
  type QueueDescription,
  readNotifications,
  readQueue,
  readTable,
  type TableDescription,
} from './template-stores.ts';

export interface StackDescription {
  queues: QueueDescription[];
  tables: TableDescription[];
  buckets: BucketDescription[];
  functions: FunctionDescription[];
  functionUrls: FunctionUrlDescription[];
  eventSources: EventSourceDescription[];
  rules: RuleDescription[];
  documents: CommandDocument[];
  parameters: { name: string; type: 'String' | 'StringList'; value: string }[];
  roles: Identity[];
  users: Identity[];
  /** Role name by instance profile ARN and by its name. */
  profiles: Record<string, string>;
  launchTemplates: LaunchTemplate[];
  subnets: Subnet[];
  /** Statements of queue and bucket policies, by the ARN of what they are attached to. */
  resourcePolicies: Map<string, Statement[]>;
  /** Names of functions with a Lambda permission for EventBridge. */
  invocableByRules: string[];
  outputs: Record<string, string>;
}

/** Resource types without a stand-in on the local platform, whose absence nothing notices. */
const harmlessTypes = [
  'AWS::CDK::Metadata',
  'AWS::Logs::LogGroup',
  'AWS::CloudWatch::Alarm',
  'AWS::KMS::Key',
  'AWS::KMS::Alias',
  'AWS::EC2::VPCBlockPublicAccessExclusion',
  'AWS::Budgets::Budget',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SNS::Topic',
  'AWS::Logs::MetricFilter',
  'AWS::EC2::VPC',
  'AWS::EC2::RouteTable',
  'AWS::EC2::Route',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::EC2::VPCEndpoint',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::FlowLog',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::IAM::AccessKey',
  'AWS::Lambda::EventInvokeConfig',
  'Custom::LogRetention',
  'Custom::S3AutoDeleteObjects',
  'Custom::VpcRestrictDefaultSG',
];
const readTypes = [
  'AWS::SQS::Queue',
  'AWS::SQS::QueuePolicy',
  'AWS::DynamoDB::Table',
  'AWS::DynamoDB::GlobalTable',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::Lambda::Function',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Permission',
  'AWS::Lambda::Url',
  'AWS::Events::Rule',
  'AWS::SSM::Document',
  'AWS::SSM::Parameter',
  'AWS::IAM::Role',
  'AWS::IAM::User',
  'AWS::IAM::Policy',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::InstanceProfile',
  'AWS::EC2::LaunchTemplate',
  'AWS::EC2::Subnet',
];

/**
 * @param assetRoot the folder `cdk synth` wrote (cdk.out)
 * @throws Error with the resource that cannot be run locally, and why
 */
export function describeTemplate(template: unknown, facts: StackFacts, assetRoot: string): StackDescription {
  const resolver = createResolver(parseTemplate(template), facts);
  const present = Object.entries(resolver.template.Resources).filter(
    ([, { Condition }]) => Condition === undefined || resolver.resolve({ Condition }) === true,
  );
  for (const [logicalId, { Type }] of present) {
    if (readTypes.includes(Type) || harmlessTypes.includes(Type)) continue;
    throw new Error(`${logicalId}: the local platform does not know resources of type ${Type}`);
  }
  const helpers = deploymentHelpers(present);
  const read = <Read>(
    type: string,
    reader: (logicalId: string, properties: Record<string, unknown>, resource: Resource) => Read,
  ): Read[] =>
    present
      .filter(([logicalId, resource]) => resource.Type === type && !helpers.has(logicalId))
      .map(([logicalId, resource]) =>
        within(logicalId, () => reader(logicalId, resource.Properties, resource)),
      );
  const resolved = (properties: Record<string, unknown>) => resolver.resolve(properties);

  const permissions = read('AWS::Lambda::Permission', (_, properties) =>
    readPermission(resolved(properties)),
  );

  return {
    queues: read('AWS::SQS::Queue', (id, properties) => readQueue(resolver, id, resolved(properties))),
    tables: [
      ...read('AWS::DynamoDB::Table', (id, properties, { DeletionPolicy }) =>
        readTable(resolver, id, resolved(properties), DeletionPolicy),
      ),
      ...read('AWS::DynamoDB::GlobalTable', (id, properties, { DeletionPolicy }) =>
        readTable(resolver, id, resolved(properties), DeletionPolicy),
      ),
    ],
    buckets: read('AWS::S3::Bucket', (id, { NotificationConfiguration }) => ({
      name: physicalName(resolver, id),
      notifications: readNotifications(resolver.resolve(NotificationConfiguration)),
    })),
    functions: read('AWS::Lambda::Function', (id, properties) =>
      readFunction(resolver, id, resolved(properties), assetRoot),
    ),
    functionUrls: read('AWS::Lambda::Url', (_, properties) =>
      readFunctionUrl(resolved(properties), permissions),
    ),
    eventSources: read('AWS::Lambda::EventSourceMapping', (_, properties) =>
      readEventSource(resolved(properties)),
    ),
    rules: read('AWS::Events::Rule', (id, properties) => readRule(resolver, id, resolved(properties))),
    documents: read('AWS::SSM::Document', (id, { Content }) => {
      const content = resolver.resolve(Content);
      return parseDocument(
        physicalName(resolver, id),
        typeof content === 'string' ? JSON.parse(content) : content,
      );
    }),
    parameters: read('AWS::SSM::Parameter', (id, properties) => {
      const { Type, Value } = v.parse(
        v.looseObject({ Type: v.picklist(['String', 'StringList']), Value: v.string() }),
        resolved(properties),
      );
      return { name: physicalName(resolver, id), type: Type, value: Value };
    }),
    ...readIdentities(
      resolver,
      present.filter(([logicalId]) => !helpers.has(logicalId)),
    ),
    launchTemplates: read('AWS::EC2::LaunchTemplate', (id, properties) => ({
      id: referenceOf(resolver, id),
      name: physicalName(resolver, id),
      defaultVersion: 1,
      versions: launchTemplateVersions(resolver, referenceOf(resolver, id), resolved(properties)),
    })),
    subnets: read('AWS::EC2::Subnet', (id, properties) => ({
      id: referenceOf(resolver, id),
      zone: resolver.text(properties['AvailabilityZone'], `${id}.AvailabilityZone`),
      vpcId: resolver.text(properties['VpcId'], `${id}.VpcId`),
      publicIp: resolver.resolve(properties['MapPublicIpOnLaunch']) === true,
    })),
    resourcePolicies: readResourcePolicies(read, resolver),
    invocableByRules: permissions
      .filter(({ Principal }) => Principal === 'events.amazonaws.com')
      .map(({ FunctionName }) => FunctionName),
    outputs: readOutputs(resolver),
  };
}

/** CDK's own functions, called by custom resources while a stack is deployed, with their roles. */
function deploymentHelpers(resources: [string, Resource][]): Set<string> {
  const named = resources
    .filter(([, { Type }]) => Type.startsWith('Custom::'))
    .flatMap(
      ([, { Properties }]) =>
        JSON.stringify(Properties['ServiceToken']).match(/"([A-Za-z0-9]+)","Arn"/)?.[1] ?? [],
    );
  const roles = resources
    .filter(([logicalId]) => named.includes(logicalId))
    .flatMap(
      ([, { Properties }]) =>
        JSON.stringify(Properties['Role'])
          .match(/"([A-Za-z0-9]+)","Arn"|"\$\{([A-Za-z0-9]+)\.Arn/)
          ?.slice(1) ?? [],
    );
  return new Set([...named, ...roles]);
}

type Reader = <Read>(
  type: string,
  reader: (logicalId: string, properties: Record<string, unknown>) => Read,
) => Read[];

function readResourcePolicies(read: Reader, resolver: Resolver): Map<string, Statement[]> {
  const attached = [
    ...read('AWS::SQS::QueuePolicy', (id, { PolicyDocument, Queues }) => {
      const urls = v.parse(v.array(v.string()), resolver.resolve(Queues));
      const arns = urls.map(
        (url) => `arn:aws:sqs:${resolver.facts.region}:${resolver.facts.accountId}:${lastPart(url)}`,
      );
      return { arns, statements: parsePolicy(resolver.resolve(PolicyDocument), id) };
    }),
    ...read('AWS::S3::BucketPolicy', (id, { PolicyDocument, Bucket }) => ({
      arns: [`arn:aws:s3:::${resolver.text(Bucket, id)}`],
      statements: parsePolicy(resolver.resolve(PolicyDocument), id),
    })),
  ];
  const policies = new Map<string, Statement[]>();
  for (const { arns, statements } of attached) {
    for (const arn of arns) policies.set(arn, [...(policies.get(arn) ?? []), ...statements]);
  }
  return policies;
}

/**
 * Reads the outputs. One that names something unknown here (a domain, an endpoint) is left out, because nothing reads
 * it.
 */
function readOutputs(resolver: Resolver): Record<string, string> {
  const outputs: Record<string, string> = {};
  for (const [name, { Value }] of Object.entries(resolver.template.Outputs)) {
    try {
      outputs[name] = resolver.text(Value, name);
    } catch {}
  }
  return outputs;
}

function within<Value>(logicalId: string, act: () => Value): Value {
  try {
    return act();
  } catch (cause) {
    if (v.isValiError(cause)) {
      const [issue] = cause.issues;
      throw new Error(`${logicalId}: ${v.getDotPath(issue) ?? 'properties'}: ${issue.message}`, { cause });
    }
    throw new Error(`${logicalId}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
