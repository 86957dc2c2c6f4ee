/** IAM on the wire (query, XML): access keys of users and the role of who deploys, all that the operator touches. */
import { randomUUID } from 'node:crypto';
import type { AccessKeys, ListedKey } from './access-keys.ts';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import type { IamRoles } from './iam-roles.ts';
import type { Principal } from './keyring.ts';

/** @throws AwsError */
export function answerIam(
  { accessKeys: keys, roles }: { accessKeys: AccessKeys; roles: IamRoles },
  operation: string,
  params: Record<string, unknown>,
  by: Principal,
): Reply {
  const user = String(params['UserName'] ?? '');
  const id = String(params['AccessKeyId'] ?? '');
  switch (operation) {
    case 'CreateAccessKey': {
      const key = keys.create(user);
      const secret = `<SecretAccessKey>${escapeXml(key.secretAccessKey)}</SecretAccessKey>`;
      const listed = { id: key.accessKeyId, active: true, createdAt: key.createdAt };
      return reply(operation, `<AccessKey>${fields(user, listed)}${secret}</AccessKey>`);
    }
    case 'ListAccessKeys': {
      const members = keys.list(user).map((key) => `<member>${fields(user, key)}</member>`);
      const list = `<AccessKeyMetadata>${members.join('')}</AccessKeyMetadata>`;
      return reply(operation, `<IsTruncated>false</IsTruncated>${list}`);
    }
    case 'GetAccessKeyLastUsed': {
      const { userName, lastUsedAt, service } = keys.lastUsed(id);
      const when =
        lastUsedAt === undefined ? '' : `<LastUsedDate>${new Date(lastUsedAt).toISOString()}</LastUsedDate>`;
      const used = `${when}<ServiceName>${service ?? 'N/A'}</ServiceName><Region>${service ? 'us-east-1' : 'N/A'}</Region>`;
      return reply(
        operation,
        `<UserName>${escapeXml(userName)}</UserName><AccessKeyLastUsed>${used}</AccessKeyLastUsed>`,
      );
    }
    case 'GetUser': {
      const { arn, userId, userName } = user === '' ? by : keys.user(user);
      const name = userName === undefined ? '' : `<UserName>${escapeXml(userName)}</UserName>`;
      return reply(
        operation,
        `<User><Path>/</Path>${name}<UserId>${userId}</UserId><Arn>${arn}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></User>`,
      );
    }
    case 'CreateRole':
    case 'GetRole': {
      const name = String(params['RoleName'] ?? '');
      const trust = String(params['AssumeRolePolicyDocument'] ?? '');
      const role =
        operation === 'GetRole' ? roles.get(name) : roles.create(name, trust, String(params['Path'] ?? '/'));
      return reply(
        operation,
        `<Role><Path>/</Path><RoleName>${escapeXml(role.name)}</RoleName><RoleId>AROA${name}</RoleId><Arn>${role.arn}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>`,
      );
    }
    case 'UpdateAssumeRolePolicy':
      roles.setTrust(String(params['RoleName'] ?? ''), String(params['PolicyDocument'] ?? ''));
      return reply(operation, '');
    case 'CreateOpenIDConnectProvider': {
      const arn = roles.createProvider(String(params['Url'] ?? ''));
      return reply(operation, `<OpenIDConnectProviderArn>${escapeXml(arn)}</OpenIDConnectProviderArn>`);
    }
    case 'PutRolePolicy':
      roles.putPolicy(
        String(params['RoleName'] ?? ''),
        String(params['PolicyName'] ?? ''),
        String(params['PolicyDocument'] ?? ''),
      );
      return reply(operation, '');
    case 'UpdateAccessKey':
      keys.setActive(user, id, params['Status'] === 'Active');
      return reply(operation, '');
    case 'DeleteAccessKey':
      keys.remove(user, id);
      return reply(operation, '');
    default:
      throw new AwsError('InvalidAction', `The local platform does not offer iam:${operation}`);
  }
}

function fields(user: string, { id, active, createdAt }: ListedKey): string {
  return `<UserName>${escapeXml(user)}</UserName><AccessKeyId>${id}</AccessKeyId><Status>${active ? 'Active' : 'Inactive'}</Status><CreateDate>${new Date(createdAt).toISOString()}</CreateDate>`;
}

function reply(operation: string, result: string): Reply {
  return xmlReply(
    `<${operation}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${operation}Response>`,
  );
}
