/** STS on the wire (query, XML): the caller's identity, and sessions of roles that were made by hand. */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import type { Identities } from './identities.ts';
import type { Principal } from './keyring.ts';
import { operationNamed } from './operation-named.ts';

interface StsDependencies {
  identities: Identities;
  accountId: string;
  by: Principal;
}
type StsOperation = (deps: StsDependencies, params: Record<string, unknown>) => string;

export const stsOperations: Readonly<Record<string, StsOperation>> = {
  GetCallerIdentity: ({ by, accountId }) =>
    `<Arn>${by.arn}</Arn><UserId>${by.userId}</UserId><Account>${accountId}</Account>`,
  AssumeRole({ identities, by }, params) {
    const arn = String(params['RoleArn'] ?? '');
    const session = String(params['RoleSessionName'] ?? '');
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = identities.assume(arn, session, by);
    const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${escapeXml(secretAccessKey)}</SecretAccessKey><SessionToken>${escapeXml(sessionToken)}</SessionToken><Expiration>${new Date(expiresAt).toISOString()}</Expiration>`;
    const assumed = arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/');
    return `<Credentials>${credentials}</Credentials><AssumedRoleUser><AssumedRoleId>AROALOCAL:${session}</AssumedRoleId><Arn>${assumed}/${session}</Arn></AssumedRoleUser>`;
  },
};

/** @throws AwsError */
export function answerSts(deps: StsDependencies, operation: string, params: Record<string, unknown>): Reply {
  const perform = operationNamed(stsOperations, operation);
  if (!perform) throw new AwsError('InvalidAction', `The local platform does not offer sts:${operation}`);
  return reply(operation, perform(deps, params));
}

function reply(operation: string, result: string): Reply {
  return xmlReply(
    `<${operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${operation}Response>`,
  );
}
