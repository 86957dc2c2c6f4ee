import { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { deployerPolicy } from '../../infra/deploy/deployer-policy.ts';
import { authorizationFaults, type Claim, couldBeNarrowed } from './authorization-faults.ts';
import { claimsOfPolicy, claimsOfTemplate } from './claims.ts';
import { schemaFaults } from './schema-faults.ts';
import { synthesise } from './template.ts';

const scope = {
  partition: 'aws',
  account: '123456789012',
  region: 'eu-central-1',
  deploymentId: 'production',
};
let stack: Template;
let ofStack: Claim[];
beforeAll(async () => {
  stack = await synthesise();
  ofStack = claimsOfTemplate(stack);
});
const ofDeployer = (bakesImages: boolean) => claimsOfPolicy(deployerPolicy({ ...scope, bakesImages }));

describe('the rights in the stack’s policies', () => {
  test('are rights that AWS knows, with resources and condition keys that they support', async () => {
    // Users and roles, trust, buckets, queues, schedules.
    expect(ofStack.length).toBeGreaterThan(45);
    expect(await authorizationFaults([...ofStack, ...ofDeployer(true), ...ofDeployer(false)])).toEqual([]);
  });

  test('are granted on everything only where IAM knows no resource', async () => {
    expect(await couldBeNarrowed(ofStack)).toEqual(['ssm:UpdateInstanceInformation']);
    const unconditional = ofDeployer(true).filter(({ conditionKeys }) => conditionKeys.length === 0);
    expect(await couldBeNarrowed(unconditional.filter(({ name }) => name !== 'deployer Packer'))).toEqual([]);
  });

  const instances = 'arn:aws:ec2:eu-central-1:123456789012:instance/*';
  const bucket = 'arn:aws:s3:::eph-production';
  const planted: Record<string, [Partial<Claim>, string]> = {
    'an action with a letter too many': [
      { actions: ['ec2:StartInstancess'] },
      'ec2:StartInstancess is no action',
    ],
    'an action of a service that does not exist': [
      { actions: ['ec3:StartInstances'] },
      'ec3:StartInstances is no action',
    ],
    'a pattern that no action fits': [{ actions: ['ec2:Begin*'] }, 'ec2:Begin* is no action'],
    'objects where the action asks for the bucket': [
      { actions: ['s3:GetObject', 's3:ListBucket'], resources: [`${bucket}/*`] },
      's3:ListBucket acts on accesspoint, bucket',
    ],
    'the bucket where the action asks for objects': [
      { actions: ['s3:GetObject'], resources: [bucket] },
      's3:GetObject acts on accesspointobject, object',
    ],
    'a resource for an action that knows none': [
      { actions: ['ec2:DescribeInstances', 'ec2:StopInstances'], resources: [instances] },
      'ec2:DescribeInstances acts on no resource, only on *',
    ],
    'a resource that none of the actions acts on': [
      { actions: ['ec2:StopInstances'], resources: [instances, instances.replace('instance', 'volume')] },
      'none of its actions acts on arn:aws:ec2:eu-central-1:123456789012:volume/*',
    ],
    'the tag of a resource that is only just made': [
      {
        actions: ['ec2:RunInstances'],
        resources: [instances],
        conditionKeys: ['aws:ResourceTag/eph:deployment'],
      },
      `ec2:RunInstances on ${instances} does not send aws:ResourceTag/eph:deployment`,
    ],
    'a key of another action': [
      { actions: ['ec2:StopInstances'], resources: [instances], conditionKeys: ['ec2:CreateAction'] },
      `ec2:StopInstances on ${instances} does not send ec2:CreateAction`,
    ],
    'a global key that does not exist': [
      { actions: ['ec2:StopInstances'], resources: [instances], conditionKeys: ['aws:SourceAcount'] },
      `ec2:StopInstances on ${instances} does not send aws:SourceAcount`,
    ],
  };
  test.each(Object.entries(planted))('would not pass with %s', async (_, [wrong, fault]) => {
    const claim = { name: 'planted', actions: [], resources: [], conditionKeys: [], ...wrong };
    expect(await authorizationFaults([claim])).toContain(`planted: ${fault}`);
  });

  test('a misspelt action anywhere in the stack is found', async () => {
    const text = JSON.stringify(stack.toJSON());
    for (const action of ['sts:AssumeRole', 'lambda:InvokeFunction', 's3:*', 'sqs:SendMessage']) {
      const broken = Template.fromJSON(JSON.parse(text.replace(`"${action}"`, '"sqs:SendMesage"')));
      const faults = await authorizationFaults(claimsOfTemplate(broken));
      expect(faults.join()).toContain('sqs:SendMesage is no action');
    }
  });
});

describe('the resources of the stack', () => {
  test('have the properties, types, values and attributes that CloudFormation knows', () => {
    expect(schemaFaults(stack)).toEqual([]);
  });

  const planted: Record<string, [object, string]> = {
    'a property that does not exist': [
      { Type: 'AWS::SQS::Queue', Properties: { VisibilityTimeOut: 30 } },
      'Planted.VisibilityTimeOut is no property',
    ],
    'one that does not exist further down': [
      { Type: 'AWS::EC2::LaunchTemplate', Properties: { LaunchTemplateData: { ImageID: 'ami-1' } } },
      'Planted.LaunchTemplateData.ImageID is no property',
    ],
    'a text for a number': [
      { Type: 'AWS::SQS::Queue', Properties: { VisibilityTimeout: '30' } },
      'Planted.VisibilityTimeout is no integer',
    ],
    'one thing for a list': [
      { Type: 'AWS::IAM::InstanceProfile', Properties: { Roles: 'host' } },
      'Planted.Roles is no list',
    ],
    'a value that is not offered': [
      { Type: 'AWS::Logs::LogGroup', Properties: { RetentionInDays: 31 } },
      'Planted.RetentionInDays may not be 31',
    ],
    'something missing': [{ Type: 'AWS::IAM::InstanceProfile', Properties: {} }, 'Planted.Roles is missing'],
    'an attribute that the other one does not have': [
      { Type: 'AWS::IAM::User', Properties: { Groups: [{ 'Fn::GetAtt': ['Queue', 'Name'] }] } },
      'Planted.Groups.0: Queue has no Name',
    ],
    'the same in the middle of a text': [
      {
        Type: 'AWS::IAM::User',
        Properties: { UserName: { 'Fn::Join': ['-', ['a', { 'Fn::GetAtt': ['Queue', 'Name'] }]] } },
      },
      'Planted.UserName: Queue has no Name',
    ],
    'a type that does not exist': [
      { Type: 'AWS::SQS::Topic', Properties: {} },
      'Planted: AWS::SQS::Topic is no type of resource',
    ],
  };
  test.each(Object.entries(planted))('would not pass with %s', (_, [resource, fault]) => {
    const Resources = { Planted: resource, Queue: { Type: 'AWS::SQS::Queue' } };
    expect(schemaFaults(Template.fromJSON({ Resources }))).toEqual([fault]);
  });
});
