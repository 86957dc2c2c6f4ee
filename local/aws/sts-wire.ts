/** STS on the wire (query, XML): who somebody is, and becoming a role that was made by hand. */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import type { Identities } from './identities.ts';
import type { Principal } from './keyring.ts';

/** @throws AwsError */
export function answerSts(
  identities: Identities,
  accountId: string,
  operation: string,
  params: Record<string, unknown>,
  by: Principal,
): Reply {
  switch (operation) {
    case 'GetCallerIdentity':
      return reply(
        operation,
        `<Arn>${by.arn}</Arn><UserId>${by.userId}</UserId><Account>${accountId}</Account>`,
      );
    case 'AssumeRole': {
      const arn = String(params['RoleArn'] ?? '');
      const session = String(params['RoleSessionName'] ?? '');
      const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = identities.assume(arn, session, by);
      const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${escapeXml(secretAccessKey)}</SecretAccessKey><SessionToken>${escapeXml(sessionToken)}</SessionToken><Expiration>${new Date(expiresAt).toISOString()}</Expiration>`;
      const assumed = arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/');
      return reply(
        operation,
        `<Credentials>${credentials}</Credentials><AssumedRoleUser><AssumedRoleId>AROALOCAL:${session}</AssumedRoleId><Arn>${assumed}/${session}</Arn></AssumedRoleUser>`,
      );
    }
    default:
      throw new AwsError('InvalidAction', `The local platform does not offer sts:${operation}`);
  }
}

function reply(operation: string, result: string): Reply {
  return xmlReply(
    `<${operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${operation}Response>`,
  );
}
