/** IAM on the wire (query, XML): the parts that the operator uses, access keys of users and the deployer's role. */
import { randomUUID } from 'node:crypto';
import type { AccessKeys, ListedKey } from './access-keys.ts';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import type { IamRoles } from './iam-roles.ts';
import { operationNamed } from './operation-named.ts';

type Params = Record<string, unknown>;
type IamOperation = (account: { accessKeys: AccessKeys; roles: IamRoles }, params: Params) => string;

export const iamOperations: Readonly<Record<string, IamOperation>> = {
  CreateAccessKey({ accessKeys }, params) {
    const user = text(params, 'UserName');
    const key = accessKeys.create(user);
    const secret = `<SecretAccessKey>${escapeXml(key.secretAccessKey)}</SecretAccessKey>`;
    const listed = { id: key.accessKeyId, active: true, createdAt: key.createdAt };
    return `<AccessKey>${fields(user, listed)}${secret}</AccessKey>`;
  },
  ListAccessKeys({ accessKeys }, params) {
    const user = text(params, 'UserName');
    const members = accessKeys.list(user).map((key) => `<member>${fields(user, key)}</member>`);
    const list = `<AccessKeyMetadata>${members.join('')}</AccessKeyMetadata>`;
    return `<IsTruncated>false</IsTruncated>${list}`;
  },
  UpdateAccessKey({ accessKeys }, params) {
    accessKeys.setActive(
      text(params, 'UserName'),
      text(params, 'AccessKeyId'),
      params['Status'] === 'Active',
    );
    return '';
  },
  DeleteAccessKey({ accessKeys }, params) {
    accessKeys.remove(text(params, 'UserName'), text(params, 'AccessKeyId'));
    return '';
  },
  CreateRole({ roles }, params) {
    const path = String(params['Path'] ?? '/');
    return roleXml(roles.create(text(params, 'RoleName'), text(params, 'AssumeRolePolicyDocument'), path));
  },
  GetRole: ({ roles }, params) => roleXml(roles.get(text(params, 'RoleName'))),
  UpdateAssumeRolePolicy({ roles }, params) {
    roles.setTrust(text(params, 'RoleName'), text(params, 'PolicyDocument'));
    return '';
  },
  PutRolePolicy({ roles }, params) {
    roles.putPolicy(text(params, 'RoleName'), text(params, 'PolicyName'), text(params, 'PolicyDocument'));
    return '';
  },
  CreateOpenIDConnectProvider({ roles }, params) {
    const arn = roles.createProvider(text(params, 'Url'));
    return `<OpenIDConnectProviderArn>${escapeXml(arn)}</OpenIDConnectProviderArn>`;
  },
};

/** @throws AwsError */
export function answerIam(
  account: { accessKeys: AccessKeys; roles: IamRoles },
  operation: string,
  params: Params,
): Reply {
  const perform = operationNamed(iamOperations, operation);
  if (!perform) throw new AwsError('InvalidAction', `The local platform does not offer iam:${operation}`);
  return reply(operation, perform(account, params));
}

function text(params: Params, name: string): string {
  return String(params[name] ?? '');
}

function roleXml({ name, arn }: { name: string; arn: string }): string {
  return `<Role><Path>/</Path><RoleName>${escapeXml(name)}</RoleName><RoleId>AROA${name}</RoleId><Arn>${arn}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>`;
}

function fields(user: string, { id, active, createdAt }: ListedKey): string {
  return `<UserName>${escapeXml(user)}</UserName><AccessKeyId>${id}</AccessKeyId><Status>${active ? 'Active' : 'Inactive'}</Status><CreateDate>${new Date(createdAt).toISOString()}</CreateDate>`;
}

function reply(operation: string, result: string): Reply {
  return xmlReply(
    `<${operation}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${operation}Response>`,
  );
}
