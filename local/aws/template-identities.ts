/** Roles, users and instance profiles of a template, each with every policy that is attached to it. */
import * as v from 'valibot';
import { parsePolicy, type Statement } from './iam.ts';
import type { Resolver, Resource } from './template-intrinsics.ts';
import { iamId, physicalName } from './template-names.ts';

export interface Identity {
  logicalId: string;
  name: string;
  arn: string;
  /** `AROA...` of a role, `AIDA...` of a user. */
  id: string;
  statements: Statement[];
}

export interface Identities {
  roles: Identity[];
  users: Identity[];
  profiles: Record<string, string>;
}

/** Policies that AWS manages, as far as Eph's template may use them. */
const managedPolicies: Record<string, unknown> = {
  'service-role/AWSLambdaBasicExecutionRole': {
    Statement: {
      Effect: 'Allow',
      Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: '*',
    },
  },
};

const inline = v.looseObject({
  Policies: v.optional(v.array(v.object({ PolicyName: v.string(), PolicyDocument: v.unknown() })), []),
  ManagedPolicyArns: v.optional(v.array(v.string()), []),
  PermissionsBoundary: v.optional(v.never('the local platform does not know permissions boundaries')),
});
const attached = v.looseObject({
  PolicyDocument: v.unknown(),
  Roles: v.optional(v.array(v.string()), []),
  Users: v.optional(v.array(v.string()), []),
});

export function readIdentities(resolver: Resolver, resources: [string, Resource][]): Identities {
  const attachments = resources
    .filter(([, { Type }]) => Type === 'AWS::IAM::Policy' || Type === 'AWS::IAM::ManagedPolicy')
    // A policy whose only holder is one of CDK's own helpers can also be resolved: roles are named, not looked up.
    .map(([logicalId, { Properties }]) => {
      const { PolicyDocument, Roles, Users } = v.parse(attached, resolver.resolve(Properties));
      return { holders: [...Roles, ...Users], statements: parsePolicy(PolicyDocument, logicalId) };
    });
  const read = (type: string, prefix: string): Identity[] =>
    resources
      .filter(([, { Type }]) => Type === type)
      .map(([logicalId, { Properties }]) => {
        const name = physicalName(resolver, logicalId);
        return {
          logicalId,
          name,
          arn: resolver.text({ 'Fn::GetAtt': [logicalId, 'Arn'] }, logicalId),
          id: iamId(prefix, resolver, logicalId),
          statements: [
            ...ownStatements(logicalId, resolver.resolve(Properties)),
            ...attachments
              .filter(({ holders }) => holders.includes(name))
              .flatMap(({ statements }) => statements),
          ],
        };
      });
  return {
    roles: read('AWS::IAM::Role', 'AROA'),
    users: read('AWS::IAM::User', 'AIDA'),
    profiles: readProfiles(resolver, resources),
  };
}

function ownStatements(logicalId: string, properties: unknown): Statement[] {
  const parsed = v.safeParse(inline, properties);
  if (!parsed.success) throw new Error(`${logicalId}: ${parsed.issues[0].message}`);
  const { Policies, ManagedPolicyArns } = parsed.output;
  const managed = ManagedPolicyArns.flatMap((arn) => {
    const name = arn.replace(/^arn:[^:]*:iam::aws:policy\//, '');
    const document = managedPolicies[name];
    if (!document)
      throw new Error(`${logicalId}: the local platform does not know the managed policy ${name}`);
    return parsePolicy(document, name);
  });
  return [
    ...Policies.flatMap(({ PolicyName, PolicyDocument }) =>
      parsePolicy(PolicyDocument, `${logicalId}.${PolicyName}`),
    ),
    ...managed,
  ];
}

function readProfiles(resolver: Resolver, resources: [string, Resource][]): Record<string, string> {
  const profiles = resources
    .filter(([, { Type }]) => Type === 'AWS::IAM::InstanceProfile')
    .flatMap(([logicalId, { Properties }]) => {
      const [role = ''] = v.parse(v.array(v.string()), resolver.resolve(Properties['Roles']));
      const arn = resolver.text({ 'Fn::GetAtt': [logicalId, 'Arn'] }, logicalId);
      return [
        [arn, role],
        [physicalName(resolver, logicalId), role],
      ];
    });
  return Object.fromEntries(profiles);
}
