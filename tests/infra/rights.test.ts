import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { actionsOf, oneOf, policyStatementsOf, readable, statementsOf, synthesise } from './template.ts';

let template: Template;
beforeAll(async () => {
  template = await synthesise();
});
const one = (type: string, prefix: string) => oneOf(template, type, prefix);
const policyStatements = (type: string) => policyStatementsOf(template, type);

describe('rights', () => {
  const launchConditions = (sid: string) =>
    statementsOf(template, 'DeployerRole').find(({ Sid }) => Sid === sid)?.Condition;

  test('are never given with a wildcard for the action', () => {
    const allowed = [
      ...policyStatements('AWS::IAM::Policy'),
      ...policyStatements('AWS::SQS::QueuePolicy'),
      ...policyStatements('AWS::S3::BucketPolicy'),
    ].filter(({ Effect }) => Effect === 'Allow');
    expect(actionsOf(allowed).filter((action) => action.includes('*'))).toEqual([]);
    expect(allowed.filter((statement) => 'NotAction' in statement || 'NotResource' in statement)).toEqual([]);
  });

  test('are given on everything for reading only, and for the channels of the SSM agent', () => {
    const everywhere = policyStatements('AWS::IAM::Policy').filter(({ Resource }) => Resource === '*');
    expect(
      actionsOf(everywhere).filter(
        (action) => !/^(ssmmessages|ec2messages):|:(Describe|Get|List)/.test(action),
      ),
    ).toEqual(['ssm:UpdateInstanceInformation']);
  });

  test('launch only from our template and only what carries our tag, disk included', () => {
    const ours = { 'aws:RequestTag/eph:deployment': 'local' };
    expect(launchConditions('LaunchTagged')).toMatchObject({ StringEquals: ours });
    expect(readable(launchConditions('LaunchTagged')?.['ArnEquals']?.['ec2:LaunchTemplate'])).toContain(
      `launch-template/<${one('AWS::EC2::LaunchTemplate', 'HostTemplate').id}>`,
    );
    expect(launchConditions('LaunchTaggedDisk')).toEqual({ StringEquals: ours });
    expect(launchConditions('TagAtLaunch')).toEqual({
      StringEquals: { ...ours, 'ec2:CreateAction': 'RunInstances' },
    });
  });

  test('to start, stop, terminate and notify are limited to machines with our tag', () => {
    const touching = /^ec2:(Start|Stop|Terminate)Instances$|^ssm:SendCommand$/;
    const touchingOf = (role: string) =>
      statementsOf(template, role).filter((statement) =>
        actionsOf([statement]).some((action) => touching.test(action)),
      );
    const document = one('AWS::SSM::Document', 'RingDocument').id;
    for (const { Condition, Resource, Sid } of [
      ...touchingOf('DeployerRole'),
      ...touchingOf('CleanupRole'),
    ]) {
      if (Sid === 'RingDocument') {
        expect(readable(Resource)).toContain(`:document/<${document}>`);
        continue;
      }
      const conditions = Object.entries(Condition?.['StringEquals'] ?? {});
      expect(conditions).toEqual([[expect.stringMatching(/[rR]esourceTag\/eph:deployment$/), 'local']]);
    }
    expect(actionsOf(touchingOf('DeployerRole'))).toEqual([
      'ec2:StartInstances',
      'ec2:StopInstances',
      'ec2:TerminateInstances',
      'ssm:SendCommand',
      'ssm:SendCommand',
    ]);
    expect(actionsOf(touchingOf('CleanupRole'))).toEqual(['ec2:StopInstances', 'ec2:TerminateInstances']);
  });

  test('to pass a role on are limited to the hosts’ role and to EC2, and only the deployer has them', () => {
    const passing = policyStatements('AWS::IAM::Policy').filter((statement) =>
      actionsOf([statement]).includes('iam:PassRole'),
    );
    expect(passing).toHaveLength(1);
    expect(statementsOf(template, 'DeployerRole')).toContainEqual(passing[0]);
    expect(readable(passing[0]?.Resource)).toBe(`<${one('AWS::IAM::Role', 'HostRole').id}.Arn>`);
    expect(readable(passing[0]?.Condition?.['StringEquals']?.['iam:PassedToService'])).toBe(
      'ec2.<AWS::URLSuffix>',
    );
  });

  test("to read parameters are limited to named ones; only the deployer reads images and applications' secrets", () => {
    const parametersOf = (role: string) =>
      statementsOf(template, role)
        .filter((statement) => actionsOf([statement]).some((action) => action.startsWith('ssm:GetParam')))
        .flatMap(({ Resource }) =>
          readable(Resource)
            .replaceAll(/arn:\S*:parameter/g, '')
            .split(', '),
        );
    const secrets = ['/eph/local/github-app-key', '/eph/local/cloudflare-token', '/eph/local/name-key'];
    expect(parametersOf('CleanupRole')).toEqual(secrets);
    expect(parametersOf('DeployerRole')).toEqual([
      ...secrets,
      '/eph/local/host-image',
      '/eph/local/host-image-arm64',
      '/eph/local/paused',
      '/eph/local/repositories/*',
    ]);
  });

  test('to read dead letters belong to the cleanup alone', () => {
    const dead = `<${one('AWS::SQS::Queue', 'JobQueueDeadLetters').id}.Arn>`;
    const onDead = (role: string) =>
      actionsOf(statementsOf(template, role).filter(({ Resource }) => readable(Resource) === dead));
    expect(onDead('DeployerRole')).toEqual([]);
    expect(onDead('CleanupRole')).toEqual(['sqs:DeleteMessage', 'sqs:ReceiveMessage']);
  });
});
