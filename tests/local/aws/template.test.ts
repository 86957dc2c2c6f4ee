import { App } from 'aws-cdk-lib';
import { expect, test } from 'vitest';
import { parseSettings, placeholderSettings } from '../../../infra/settings/settings.ts';
import { ControlPlaneStack } from '../../../infra/stack/control-plane-stack.ts';
import { evaluate } from '../../../local/aws/iam.ts';
import { describeTemplate } from '../../../local/aws/template.ts';
import { createResolver, parseTemplate } from '../../../local/aws/template-intrinsics.ts';
import { template } from './local-stack.ts';

const facts = {
  stackName: 'stack',
  region: 'us-east-1',
  accountId: '000000000000',
  parameters: {},
  queueUrl: (name: string) => `http://door/000000000000/${name}`,
  functionUrl: (name: string) => `http://functions/${name}/`,
};

test('the stack that CDK synthesises is read completely', () => {
  const app = new App({
    context: { 'aws:cdk:bundling-stacks': [] },
    builtinCloudFormationValidation: false,
  });
  new ControlPlaneStack(app, 'eph', parseSettings(placeholderSettings));
  const stack = describeTemplate(app.synth().getStackByName('eph').template, facts, '/cdk.out');

  expect(stack.functions.map(({ timeoutSeconds, handler }) => [timeoutSeconds, handler])).toContainEqual([
    60,
    'index.handler',
  ]);
  expect(stack.functions[0]?.environment).toMatchObject({
    JOB_QUEUE_URL: expect.stringMatching(/^http:\/\/door\/000000000000\/stack-JobQueue/),
    HOST_ROLE_ID: stack.roles.find(({ logicalId }) => logicalId.startsWith('HostRole'))?.id,
    LAUNCH_TEMPLATE_ID: stack.launchTemplates[0]?.id,
    SUBNET_IDS: stack.subnets.map(({ id }) => id).join(','),
  });
  expect(stack.eventSources[0]).toMatchObject({
    partialBatch: true,
    queueName: stack.queues.find(({ name }) => name.includes('JobQueueJobs'))?.name,
  });
  expect(stack.buckets[0]?.notifications.length).toBeGreaterThan(0);
  expect(stack.documents[0]?.parameters).toHaveProperty('Generation.allowedPattern');

  const queue = stack.queues.find(({ name }) => name.includes('JobQueueJobs'))?.arn ?? '';
  const may = (action: string) =>
    evaluate(stack.users[0]?.statements ?? [], { action, resource: queue, context: {} });
  expect([may('sqs:SendMessage'), may('sqs:ReceiveMessage')]).toEqual(['allow', 'implicit deny']);
});

test('the same template gets the same names in every run', () => {
  const names = () => describeTemplate(template, facts, '').queues.map(({ name }) => name);
  expect(names()).toEqual(names());
  expect(names()).toContainEqual(expect.stringMatching(/^stack-Jobs-[0-9a-f]{12}$/));
});

test('an unknown resource is named, with its type', () => {
  const more = {
    Resources: { ...template.Resources, Stream: { Type: 'AWS::Kinesis::Stream', Properties: {} } },
  };
  expect(() => describeTemplate(more, facts, '')).toThrow(
    'Stream: the local platform does not know resources of type AWS::Kinesis::Stream',
  );
  const rule = (targets: object[], pattern: object) => ({
    Pattern: { Type: 'AWS::Events::Rule', Properties: { EventPattern: pattern, Targets: targets } },
  });
  const topic = { Arn: 'arn:aws:sns:us-east-1:000000000000:topic', Id: 'Target0' };
  expect(() => describeTemplate({ Resources: rule([topic], {}) }, facts, '')).toThrow(
    /^Pattern: .*functions and queues/,
  );
  expect(() =>
    describeTemplate({ Resources: rule([], { source: [{ cidr: '10.0.0.0/8' }] }) }, facts, ''),
  ).toThrow(/^Pattern: /);
  const python = {
    Type: 'AWS::Lambda::Function',
    Properties: { ...template.Resources.Worker.Properties, Runtime: 'python3.13', Role: 'r' },
  };
  const resources = { ...template.Resources, Python: python };
  expect(() => describeTemplate({ Resources: resources }, facts, '')).toThrow(
    /^Python: Runtime: the local platform runs Node.js/,
  );
});

test("CDK's own functions that only deploy are left out, with their role", () => {
  const helper = {
    Custom: {
      Type: 'Custom::S3AutoDeleteObjects',
      Properties: { ServiceToken: { 'Fn::GetAtt': ['Provider', 'Arn'] } },
    },
    Provider: {
      Type: 'AWS::Lambda::Function',
      Properties: { Role: { 'Fn::GetAtt': ['ProviderRole', 'Arn'] }, Code: { ZipFile: '' } },
    },
    ProviderRole: {
      Type: 'AWS::IAM::Role',
      Properties: { ManagedPolicyArns: [{ 'Fn::Sub': 'arn:aws:iam::aws:policy/Unknown' }] },
    },
  };
  const stack = describeTemplate({ Resources: { ...template.Resources, ...helper } }, facts, '');
  expect(stack.functions.map(({ logicalId }) => logicalId)).toEqual(['Worker']);
});

test.each([
  [{ 'Fn::Join': ['-', ['a', { Ref: 'AWS::Region' }]] }, 'a-us-east-1'],
  [{ 'Fn::Select': ['1', { 'Fn::Split': ['/', 'a/b/c'] }] }, 'b'],
  [{ 'Fn::Sub': 'x-\u0024{AWS::AccountId}-\u0024{!Literal}' }, 'x-000000000000-\u0024{Literal}'],
  [{ 'Fn::Sub': ['\u0024{A}-\u0024{Q.Arn}', { A: 'b' }] }, 'b-arn:aws:sqs:us-east-1:000000000000:q'],
  [{ 'Fn::If': ['IsLocal', 'yes', 'no'] }, 'yes'],
  [{ Ref: 'Size' }, 't3.small'],
  [{ Ref: 'Q' }, 'http://door/000000000000/q'],
  [{ a: { Ref: 'AWS::NoValue' }, b: [{ Ref: 'AWS::NoValue' }, 1] }, { b: [1] }],
  [{ 'Fn::Base64': 'x' }, 'eA=='],
])('%o resolves to %o', (value, expected) => {
  const resolver = createResolver(
    parseTemplate({
      Resources: { Q: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'q' } } },
      Parameters: { Size: { Type: 'String', Default: 't3.small' } },
      Conditions: { IsLocal: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'eu-west-1'] }] } },
    }),
    facts,
  );
  expect(resolver.resolve(value)).toEqual(expected);
});

test('an error names the function, resource or parameter that cannot be resolved', () => {
  const parameter = { Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: '/aws/ami' };
  const resolver = (parameters = {}) =>
    createResolver(
      parseTemplate({ Resources: { T: { Type: 'AWS::SNS::Topic' } }, Parameters: { Image: parameter } }),
      { ...facts, parameters },
    );
  expect(() => resolver().resolve({ 'Fn::ImportValue': 'x' })).toThrow('Fn::ImportValue');
  expect(() => resolver().resolve({ 'Fn::GetAtt': ['T', 'TopicName'] })).toThrow(
    'T.TopicName (AWS::SNS::Topic)',
  );
  expect(() => resolver().resolve({ Ref: 'Image' })).toThrow('Image (/aws/ami) has no value');
  expect(resolver({ '/aws/ami': 'ami-1' }).resolve({ Ref: 'Image' })).toBe('ami-1');
});
