import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { authorizationFaults } from './authorization-faults.ts';
import { claimsOfTemplate } from './claims.ts';
import { schemaFaults } from './schema-faults.ts';
import { type Synthesis, synthesiseChecked } from './synthesise-checked.ts';
import { actionsOf, readable, resourcesOf, type Statement, statementsOf } from './template.ts';

/** Each setting that changes what the stack is made of, in one variant at least. */
const settingsOf = {
  plain: {},
  'own network': {
    VPC_ID: 'vpc-0123456789abcdef0',
    SUBNET_IDS: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
    INGRESS: 'function-url',
    PERMISSIONS_BOUNDARY: 'company-boundary',
    IAM_PATH: '/company/eph/',
    TAGS: 'team=web,cost-center=42',
    VOLUME_GB: '60',
  },
  'function url': { INGRESS: 'function-url', ALARM_EMAIL: 'ops@acme.dev', DEPLOYMENT_ID: 'production' },
  watched: {
    ALARM_EMAIL: 'ops@acme.dev',
    MONTHLY_BUDGET_USD: '50',
    PERMISSIONS_BOUNDARY: 'arn:aws:iam::aws:policy/PowerUserAccess',
    BLOCK_PUBLIC_ACCESS_EXCLUSION: 'true',
    ZONES: '2',
  },
} satisfies Record<string, Record<string, string>>;
type Variant = keyof typeof settingsOf;
const variants = Object.keys(settingsOf) as Variant[];

const stacks = new Map<Variant, Synthesis>();
beforeAll(() => {
  for (const name of variants) stacks.set(name, synthesiseChecked(settingsOf[name]));
}, 60_000);

function stack(name: Variant): Synthesis {
  const made = stacks.get(name);
  if (!made) throw new Error(`${name} was not synthesised`);
  return made;
}
const template = (name: Variant) => stack(name).template;
const all = (name: Variant, type: string) => Object.values(resourcesOf(template(name), type));
const policyStatements = (name: Variant, type: string) =>
  all(name, type).flatMap(
    ({ Properties }) =>
      ((Properties['PolicyDocument'] ?? Properties['KeyPolicy']) as { Statement: Statement[] }).Statement,
  );

describe.each(variants)('whatever is set (%s)', (name) => {
  test('cdk-nag has no finding left', () => {
    expect(stack(name).findings).toEqual([]);
  });

  test('CloudFormation knows every resource and IAM every right, as they are written', async () => {
    expect(schemaFaults(template(name))).toEqual([]);
    expect(await authorizationFaults(claimsOfTemplate(template(name)))).toEqual([]);
  });

  test('nobody can connect to a host', () => {
    const groups = all(name, 'AWS::EC2::SecurityGroup');
    expect(groups.map(({ Properties }) => Properties['SecurityGroupIngress'])).toEqual([[]]);
    template(name).resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
  });

  test('no right is given with a wildcard for the action, except for a key to its own account', () => {
    const allowed = [
      'AWS::IAM::Policy',
      'AWS::IAM::ManagedPolicy',
      'AWS::SQS::QueuePolicy',
      'AWS::S3::BucketPolicy',
      'AWS::SNS::TopicPolicy',
      'AWS::KMS::Key',
    ]
      .flatMap((type) => policyStatements(name, type))
      .filter(({ Effect }) => Effect === 'Allow');
    const wide = allowed.filter((statement) => actionsOf([statement]).some((action) => action.includes('*')));
    // Without it nobody could change the key's policy any more, and AWS refuses such a key.
    const ownAccount = ({ Principal }: Statement) => /:root"/.test(JSON.stringify(Principal));
    expect(wide.filter((statement) => !ownAccount(statement))).toEqual([]);
    expect(wide.every((statement) => actionsOf([statement]).join() === 'kms:*')).toBe(true);
  });

  test('the template contains no secret, and no place for one', () => {
    template(name).resourceCountIs('AWS::IAM::AccessKey', 0);
    template(name).resourceCountIs('AWS::SecretsManager::Secret', 0);
    template(name).resourceCountIs('AWS::SSM::Parameter', 0);
    const { Parameters = {} } = template(name).toJSON();
    expect(Object.keys(Parameters)).toEqual(['BootstrapVersion']);
    const variables = all(name, 'AWS::Lambda::Function').flatMap(({ Properties }) =>
      Object.keys((Properties['Environment'] as { Variables: object }).Variables),
    );
    expect(
      variables.filter((one) => /SECRET|TOKEN|KEY/.test(one) && !/_(PARAMETER|PATH)$/.test(one)),
    ).toEqual([]);
  });

  test('everything that keeps data is encrypted', () => {
    template(name).allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
    template(name).allResourcesProperties('AWS::S3::Bucket', {
      BucketEncryption: { ServerSideEncryptionConfiguration: Match.anyValue() },
    });
    for (const { Properties } of all(name, 'AWS::SNS::Topic'))
      expect(Properties['KmsMasterKeyId']).toBeDefined();
    const [launch] = all(name, 'AWS::EC2::LaunchTemplate');
    expect(launch?.Properties['LaunchTemplateData']).toMatchObject({
      BlockDeviceMappings: [{ Ebs: { Encrypted: true } }],
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    });
  });
});

describe('an existing network', () => {
  test('stays as it is: nothing is made in it but the security group', () => {
    for (const type of ['VPC', 'Subnet', 'InternetGateway', 'Route', 'RouteTable', 'VPCEndpoint']) {
      template('own network').resourceCountIs(`AWS::EC2::${type}`, 0);
    }
    template('own network').hasResourceProperties('AWS::EC2::SecurityGroup', {
      VpcId: 'vpc-0123456789abcdef0',
    });
  });

  test('is the one in which the deployer may launch, and which it gets', () => {
    const subnets = settingsOf['own network'].SUBNET_IDS.split(',');
    const launch = statementsOf(template('own network'), 'DeployerRole').find(
      ({ Sid }) => Sid === 'LaunchWith',
    );
    for (const subnet of subnets) expect(readable(launch?.Resource)).toContain(`:subnet/${subnet}`);
    template('own network').hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ SUBNET_IDS: subnets.join(',') }) },
    });
    template('own network').hasOutput('HostSubnetIds', { Value: subnets.join(',') });
  });
});

describe("a company's conventions", () => {
  const identities = (name: Variant) => [...all(name, 'AWS::IAM::Role'), ...all(name, 'AWS::IAM::User')];

  test('put the boundary, by name or ARN, on every role and user', () => {
    expect(identities('own network').length).toBeGreaterThanOrEqual(4);
    for (const { Properties } of identities('own network')) {
      expect(readable(Properties['PermissionsBoundary'])).toBe(
        'arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/company-boundary',
      );
    }
    template('watched').resourceCountIs('AWS::IAM::User', 1);
    for (const { Properties } of identities('watched')) {
      expect(Properties['PermissionsBoundary']).toBe('arn:aws:iam::aws:policy/PowerUserAccess');
    }
    for (const { Properties } of identities('plain')) {
      expect(Properties).not.toHaveProperty('PermissionsBoundary');
    }
  });

  test('give every role and instance profile the path', () => {
    const profiles = all('own network', 'AWS::IAM::InstanceProfile');
    for (const { Properties } of [...identities('own network'), ...profiles]) {
      expect(Properties['Path']).toBe('/company/eph/');
    }
  });

  test('put mandatory tags on what the stack makes, and on hosts and disks that it will launch', () => {
    const given = [
      { Key: 'cost-center', Value: '42' },
      { Key: 'team', Value: 'web' },
    ];
    for (const type of [
      'AWS::DynamoDB::Table',
      'AWS::IAM::Role',
      'AWS::Lambda::Function',
      'AWS::S3::Bucket',
    ]) {
      for (const { Properties } of all('own network', type)) {
        expect(Properties['Tags']).toEqual(expect.arrayContaining(given));
      }
    }
    const [launch] = all('own network', 'AWS::EC2::LaunchTemplate');
    const tagged = (ResourceType: string) => ({ ResourceType, Tags: expect.arrayContaining(given) });
    expect(launch?.Properties).toMatchObject({
      TagSpecifications: [tagged('launch-template')],
      LaunchTemplateData: { TagSpecifications: [tagged('instance'), tagged('volume')] },
    });
  });

  test('mark everything that can carry a tag with its deployment', () => {
    const mark = { Key: 'eph:deployment', Value: 'production' };
    for (const type of [
      'DynamoDB::Table',
      'SQS::Queue',
      'S3::Bucket',
      'IAM::Role',
      'EC2::VPC',
      'EC2::Subnet',
    ]) {
      for (const { Properties } of all('function url', `AWS::${type}`)) {
        expect(Properties['Tags']).toContainEqual(mark);
      }
    }
    const [launch] = all('function url', 'AWS::EC2::LaunchTemplate');
    expect(launch?.Properties['TagSpecifications']).toEqual([
      { ResourceType: 'launch-template', Tags: [mark] },
    ]);
  });

  test('give the disk the size in the settings', () => {
    const [launch] = all('own network', 'AWS::EC2::LaunchTemplate');
    expect(launch?.Properties['LaunchTemplateData']).toMatchObject({
      BlockDeviceMappings: [{ Ebs: { VolumeSize: 60, VolumeType: 'gp3' } }],
    });
  });
});

describe('an account that blocks public access to its networks', () => {
  test('allows ours out if the settings say so, and only ours', () => {
    const [vpc] = Object.keys(resourcesOf(template('watched'), 'AWS::EC2::VPC'));
    template('watched').resourcePropertiesCountIs(
      'AWS::EC2::VPCBlockPublicAccessExclusion',
      { VpcId: { Ref: vpc }, SubnetId: Match.absent() },
      1,
    );
    template('plain').resourceCountIs('AWS::EC2::VPCBlockPublicAccessExclusion', 0);
    template('watched').resourceCountIs('AWS::EC2::Subnet', 2);
  });
});

describe('the longest settings', () => {
  test('fit into the 4 KB that Lambda accepts for a function’s environment', () => {
    const tenOf = (type: string) => Array.from({ length: 10 }, () => type).join(',');
    const zone = `${'previews-'.repeat(6)}of.acme-company.dev`;
    const made = synthesiseChecked({
      DEPLOYMENT_ID: 'staging-europe-1',
      REPOSITORIES: Array.from({ length: 99 }, (_, n) => `acme/s${n + 10}`).join(', '),
      DEFAULT_INSTANCE_TYPES: tenOf('c7i.metal-48xl'),
      DEFAULT_INSTANCE_TYPES_ARM64: tenOf('c7gd.metal-16xl'),
      ZONES: '6',
      PREVIEW_ZONE: zone,
      PREVIEW_URL_TEMPLATE: `https://{host}.${zone}`,
      PREVIEW_SUFFIX: `-pr.${zone}`,
      GITHUB_API_URL: `https://github.${zone}/api/v3`,
    }).template;
    const functions = Object.values(resourcesOf(made, 'AWS::Lambda::Function'));
    for (const { Properties } of functions) {
      const { Variables } = Properties['Environment'] as { Variables: Record<string, unknown> };
      const told = Object.entries(Variables).map(([name, value]) => name + longestText(value));
      expect(Buffer.byteLength(told.join(''))).toBeLessThanOrEqual(4_096);
    }
  });

  /** A subnet's id has 24 characters; a name has at most the stack's, the logical id and 13 more; a queue's URL has its name. */
  function longestText(value: unknown): string {
    return readable(value).replaceAll(/<([\w.]+)>/g, (_, id: string) => {
      if (/Subnet\d/.test(id)) return 'x'.repeat(24);
      const name = 'x'.repeat('eph-staging-europe-1--'.length + id.length + 13);
      return id.startsWith('JobQueue')
        ? `https://sqs.ap-southeast-2.amazonaws.com/123456789012/${name}`
        : name;
    });
  }
});

describe('the ingress', () => {
  test('is an IAM user and no address with a key', () => {
    template('plain').resourceCountIs('AWS::IAM::User', 1);
    template('plain').resourceCountIs('AWS::Lambda::Url', 0);
    expect(Object.keys(template('plain').findOutputs('*'))).not.toContain('IngressUrl');
  });

  test('is one function with an address, and no IAM user, without a key', () => {
    const made = template('function url');
    made.resourceCountIs('AWS::IAM::User', 0);
    made.resourceCountIs('AWS::Lambda::Url', 1);
    const [url] = Object.keys(resourcesOf(made, 'AWS::Lambda::Url'));
    made.hasOutput('IngressUrl', { Value: { 'Fn::GetAtt': [url, 'FunctionUrl'] } });
    expect(Object.keys(made.findOutputs('*'))).toContain('IngressLogGroup');
    expect(Object.keys(made.findOutputs('*'))).not.toContain('WorkerUserName');
    const open = all('function url', 'AWS::Lambda::Permission').filter(
      ({ Properties }) => Properties['Principal'] === '*',
    );
    const [ingress] = Object.keys(resourcesOf(made, 'AWS::Lambda::Function')).filter((id) =>
      id.startsWith('WebhookIngress'),
    );
    // Both are asked for since October 2025; the second only for calls that come through the address.
    expect(open.map(({ Properties }) => Properties)).toMatchObject([
      { Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'NONE' },
      { Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true },
    ]);
    for (const { Properties } of open) expect(readable(Properties['FunctionName'])).toContain(`<${ingress}`);
  });

  test('reads the webhook secret, by name, and sends jobs; nobody else reads that secret', () => {
    const statements = statementsOf(template('function url'), 'WebhookIngressRole');
    const beyondLogs = statements.filter((one) => actionsOf([one]).every((action) => !/^logs:/.test(action)));
    expect(
      beyondLogs.map((one) => [
        actionsOf([one]),
        readable(one.Resource).replaceAll(/arn:\S*:parameter/g, ''),
      ]),
    ).toEqual([
      [['sqs:SendMessage'], expect.stringMatching(/^<JobQueueJobs\w+\.Arn>$/)],
      [
        ['ssm:GetParameters'],
        '/eph/production/deploy/webhook-secret, /eph/production/deploy/webhook-secret-previous',
      ],
    ]);
    for (const role of ['DeployerRole', 'CleanupRole']) {
      const readBy = statementsOf(template('function url'), role).map(({ Resource }) => readable(Resource));
      expect(readBy.join()).not.toContain('/deploy/');
    }
  });
});

describe('an operator with a mail address in the settings', () => {
  test('gets every alarm by mail, over an encrypted topic that refuses plain HTTP', () => {
    const [topic] = Object.keys(resourcesOf(template('watched'), 'AWS::SNS::Topic'));
    template('watched').allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [{ Ref: topic }] });
    template('watched').hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'ops@acme.dev',
      TopicArn: { Ref: topic },
    });
    const onTopic = policyStatements('watched', 'AWS::SNS::TopicPolicy');
    expect(onTopic).toContainEqual(
      expect.objectContaining({
        Effect: 'Deny',
        Action: 'sns:Publish',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    );
  });

  test('gets no alarm of another account: only this account’s may publish, with the topic’s key', () => {
    template('watched').hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
    for (const type of ['AWS::SNS::TopicPolicy', 'AWS::KMS::Key']) {
      const statement = policyStatements('watched', type).find(({ Sid }) => Sid === 'Alarms');
      expect(statement).toMatchObject({
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      });
      expect(readable(statement?.Condition?.['ArnLike']?.['aws:SourceArn'])).toBe(
        'arn:<AWS::Partition>:cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:*',
      );
    }
  });

  test('gets a mail when the month of this deployment costs more than it should', () => {
    const [budget] = all('watched', 'AWS::Budgets::Budget');
    expect(budget?.Properties).toMatchObject({
      Budget: {
        BudgetType: 'COST',
        TimeUnit: 'MONTHLY',
        BudgetLimit: { Amount: 50, Unit: 'USD' },
        CostFilters: { TagKeyValue: ['user:eph:deployment$local'] },
      },
      NotificationsWithSubscribers: ['ACTUAL', 'FORECASTED'].map((NotificationType) => ({
        Notification: { NotificationType },
        Subscribers: [{ SubscriptionType: 'EMAIL', Address: 'ops@acme.dev' }],
      })),
    });
    template('plain').resourceCountIs('AWS::Budgets::Budget', 0);
  });
});
