/**
 * What the identity that runs `make deploy` (and the operator's other commands) may do, and nothing more: the rights
 * that its own calls need. CDK's roles, which it may assume, make the contents of the stack; they exist once the
 * account is bootstrapped (`npx cdk bootstrap`, by an administrator).
 *
 * Gotchas
 * - Inline policies of a role may have 10,240 characters without spaces
 *   (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); a test counts them.
 * - What CloudFormation names goes on with a capital letter after the id, which ids do not have: the patterns of a
 *   deployment `a` never meet the things of a deployment `a-b`.
 * - Calls for which IAM has no resource (most of EC2's Describe*) are granted on `*`; everything else on this
 *   deployment's things, by name, path or tag. tests/scripts/setup compares it with the calls of scripts/.
 */
export interface DeployerScope {
  partition: string;
  account: string;
  region: string;
  deploymentId: string;
  /** Whether images are baked here: Packer needs rights that cannot be limited to one deployment. */
  bakesImages: boolean;
}

export interface PolicyStatement {
  Sid: string;
  Effect: 'Allow';
  Action: string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: PolicyStatement[];
}

export function deployerPolicy(scope: DeployerScope): PolicyDocument {
  const { partition, account, region, deploymentId } = scope;
  const stack = `eph-${deploymentId}`;
  const bucket = `arn:${partition}:s3:::${stack}-${account}-${region}`;
  const arn = (service: string, resource: string) =>
    `arn:${partition}:${service}:${region}:${account}:${resource}`;
  const iam = (resource: string) => `arn:${partition}:iam::${account}:${resource}`;
  const resourceTag = { StringEquals: { 'aws:ResourceTag/eph:deployment': deploymentId } };
  const requestTag = { StringEquals: { 'aws:RequestTag/eph:deployment': deploymentId } };
  // The host of make smoke is launched like any other: from the stack's template, with our mark, and with the hosts'
  // role.
  const launch = [
    allow(
      'LaunchMarked',
      ['ec2:RunInstances'],
      [arn('ec2', 'instance/*'), arn('ec2', 'volume/*')],
      requestTag,
    ),
    allow(
      'LaunchWith',
      ['ec2:RunInstances'],
      ['launch-template', 'network-interface', 'security-group', 'subnet']
        .map((kind) => arn('ec2', `${kind}/*`))
        .concat(`arn:${partition}:ec2:${region}::image/*`),
    ),
    allow('MarkAtLaunch', ['ec2:CreateTags'], [arn('ec2', 'instance/*'), arn('ec2', 'volume/*')], {
      StringEquals: { ...requestTag.StringEquals, 'ec2:CreateAction': 'RunInstances' },
    }),
    allow('PassHostRole', ['iam:PassRole'], iam(`role/*${stack}-HostRole*`), {
      StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
    }),
  ];

  return {
    Version: '2012-10-17',
    Statement: [
      allow('AsCdk', ['sts:AssumeRole'], iam('role/cdk-*')),
      allow(
        'Stack',
        ['cloudformation:DescribeStacks', 'cloudformation:ListStackResources'],
        [arn('cloudformation', `stack/${stack}/*`), arn('cloudformation', 'stack/CDKToolkit/*')],
      ),
      allow(
        'Parameters',
        ['ssm:GetParameters', 'ssm:PutParameter', 'ssm:DeleteParameters'],
        [arn('ssm', `parameter/eph/${deploymentId}/*`)],
      ),
      allow(
        'PublicImages',
        // Packer's data source reads a parameter.
        scope.bakesImages ? ['ssm:GetParameters', 'ssm:GetParameter'] : ['ssm:GetParameters'],
        `arn:${partition}:ssm:${region}::parameter/aws/service/ami-amazon-linux-latest/*`,
      ),
      allow('CdkVersion', ['ssm:GetParameters'], arn('ssm', 'parameter/cdk-bootstrap/*')),
      allow('Bucket', ['s3:ListBucket', 's3:ListBucketVersions', 's3:DeleteBucket'], bucket),
      allow(
        'Objects',
        ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:DeleteObjectVersion'],
        `${bucket}/*`,
      ),
      allow(
        'WorkerKey',
        ['iam:ListAccessKeys', 'iam:CreateAccessKey', 'iam:UpdateAccessKey', 'iam:DeleteAccessKey'],
        iam(`user/*${stack}-Worker*`),
      ),
      allow(
        'Functions',
        [
          'lambda:InvokeFunction',
          'lambda:GetFunctionConfiguration',
          'lambda:UpdateFunctionConfiguration',
          'lambda:UpdateFunctionCode',
        ],
        ['Deployer', 'Cleanup', 'Webhook'].map((name) => arn('lambda', `function:${stack}-${name}*`)),
      ),
      allow(
        'Tables',
        ['dynamodb:Scan', 'dynamodb:Query', 'dynamodb:DescribeTable', 'dynamodb:DeleteTable'],
        arn('dynamodb', `table/${stack}-Tables*`),
      ),
      allow('Queues', ['sqs:GetQueueAttributes'], arn('sqs', `${stack}-JobQueue*`)),
      allow(
        'Logs',
        ['logs:FilterLogEvents', 'logs:DeleteLogGroup'],
        ['Deployer', 'Cleanup', 'Webhook', 'Custom'].map((name) =>
          arn('logs', `log-group:*${stack}-${name}*`),
        ),
      ),
      allow(
        'OurHosts',
        ['ec2:StartInstances', 'ec2:StopInstances', 'ec2:TerminateInstances'],
        arn('ec2', 'instance/*'),
        resourceTag,
      ),
      allow('OurImages', ['ec2:DeregisterImage', 'ec2:DeleteSnapshot'], '*', resourceTag),
      ...launch,
      allow('Ring', ['ssm:SendCommand'], arn('ssm', `document/${stack}-Ring*`)),
      allow('RingOurs', ['ssm:SendCommand'], arn('ec2', 'instance/*'), {
        StringEquals: { 'ssm:resourceTag/eph:deployment': deploymentId },
      }),
      ...(scope.bakesImages ? bake(`arn:${partition}:ec2:${region}:`) : []),
      allow('Quotas', ['servicequotas:GetServiceQuota'], arn('servicequotas', 'ec2/*')),
      allow('Look', lookActions, '*'),
    ],
  };
}

/** A tag also gives a right (`OurHosts`), so only images may be tagged after they were made. */
function bake(ec2: string): PolicyStatement[] {
  return [
    allow('Packer', packerActions, '*'),
    allow('MarkImages', ['ec2:CreateTags'], [`${ec2}:image/*`, `${ec2}:snapshot/*`]),
    allow('MarkWhatIsMade', ['ec2:CreateTags'], '*', {
      StringEquals: { 'ec2:CreateAction': ['CreateKeyPair', 'CreateSecurityGroup', 'RunInstances'] },
    }),
  ];
}

/** IAM has no resource for these actions. */
const lookActions = [
  'dynamodb:ListTables',
  'ec2:DescribeAvailabilityZones',
  'ec2:DescribeImages',
  'ec2:DescribeInstanceTypeOfferings',
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeInstances',
  'ec2:DescribeRouteTables',
  'ec2:DescribeSnapshots',
  'ec2:DescribeSubnets',
  'ec2:DescribeVpcBlockPublicAccessOptions',
  'ec2:GetEbsDefaultKmsKeyId',
  'lambda:GetAccountSettings',
  'logs:DescribeLogGroups',
  'ssm:DescribeInstanceInformation',
  'ssm:DescribeParameters',
  'ssm:GetCommandInvocation',
];

/** https://developer.hashicorp.com/packer/integrations/hashicorp/amazon#iam-task-or-instance-role, for amazon-ebs */
const packerActions = [
  'ec2:AuthorizeSecurityGroupIngress',
  'ec2:CreateImage',
  'ec2:CreateKeyPair',
  'ec2:CreateSecurityGroup',
  'ec2:CreateSnapshot',
  'ec2:DeleteKeyPair',
  'ec2:DeleteSecurityGroup',
  'ec2:DescribeImageAttribute',
  'ec2:DescribeInstanceStatus',
  'ec2:DescribeRegions',
  'ec2:DescribeSecurityGroups',
  'ec2:DescribeTags',
  'ec2:DescribeVolumes',
  'ec2:DescribeVpcs',
  'ec2:ModifyImageAttribute',
  'ec2:ModifyInstanceAttribute',
  'ec2:RegisterImage',
  'ec2:RunInstances',
];

function allow(
  Sid: string,
  Action: string[],
  Resource: string | string[],
  Condition?: PolicyStatement['Condition'],
): PolicyStatement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(Condition && { Condition }) };
}
