/** Each service's own answer to a call that the receiver has allowed, and the further effects of the call. */
import type { Call, Reply } from './aws-protocol.ts';
import { answerCloudFormation, type StackFactsOnWire } from './cloudformation-wire.ts';
import { answerEc2, type Ec2Dependencies } from './ec2-wire.ts';
import type { Emulators } from './emulators.ts';
import { answerIam } from './iam-wire.ts';
import type { Identities } from './identities.ts';
import type { Principal } from './keyring.ts';
import type { LambdaRuntime } from './lambda-runtime.ts';
import { answerLambda, type LambdaAccount } from './lambda-wire.ts';
import type { LogStore } from './log-store.ts';
import { answerLogs } from './logs-wire.ts';
import type { Notifications } from './s3-notifications.ts';
import { answerQuotas } from './service-quotas-wire.ts';
import type { Ssm } from './ssm.ts';
import { answerSsm } from './ssm-wire.ts';
import { answerSts } from './sts-wire.ts';
import { keepTraceHeader } from './trace-header.ts';

export interface Behind {
  emulators: Emulators;
  ec2: Ec2Dependencies;
  ssm: Ssm;
  logs: LogStore;
  lambdaAccount: LambdaAccount;
  runtime: LambdaRuntime;
  notifications: Notifications;
  identities: Identities;
  stack: StackFactsOnWire;
  now: () => number;
}

export function createAnswer(behind: Behind) {
  const { region, accountId } = behind.stack;
  return async (call: Call, by: Principal): Promise<Reply> => {
    switch (call.service) {
      case 'sqs':
        return behind.emulators.sqsAndS3({
          ...keepTraceHeader(call.operation, call.request),
          target: '/',
        });
      case 'dynamodb':
        return behind.emulators.dynamodb({ ...call.request, target: '/' });
      case 's3':
        return answerS3(call, by, behind);
      case 'ec2':
        return answerEc2(behind.ec2, call.operation, call.params);
      case 'ssm':
        return answerSsm(
          behind.ssm,
          call.operation,
          call.params,
          (name) => `arn:aws:ssm:${region}:${accountId}:parameter/${name.replace(/^\//, '')}`,
        );
      case 'lambda':
        return answerLambda(call, {
          runtime: behind.runtime,
          functions: behind.stack.current()?.functions ?? [],
          account: behind.lambdaAccount,
        });
      case 'iam':
        return answerIam(behind.identities, call.operation, call.params);
      case 'cloudformation':
        return answerCloudFormation(behind.stack, call.operation, call.params);
      case 'logs':
        return answerLogs(behind.logs, call.operation, call.params);
      case 'servicequotas':
        return answerQuotas(behind.ec2.ec2, call.operation, call.params);
      case 'sts':
        return answerSts({ identities: behind.identities, accountId, by }, call.operation, call.params);
    }
  };
}

/** No bucket here has versions, so an object's list of versions contains the object alone. */
async function listVersions(call: Call, { emulators }: Behind): Promise<Reply> {
  const target = call.request.target.replace(/\bversions(=[^&]*)?/, 'list-type=2');
  const reply = await emulators.sqsAndS3({ ...call.request, target });
  if (reply.status !== 200) return reply;
  const xml = Buffer.from(reply.body)
    .toString()
    .replaceAll('ListBucketResult', 'ListVersionsResult')
    .replaceAll('<Contents>', '<Version><VersionId>null</VersionId><IsLatest>true</IsLatest>')
    .replaceAll('</Contents>', '</Version>');
  return { ...reply, body: Buffer.from(xml) };
}

async function answerS3(call: Call, by: Principal, behind: Behind): Promise<Reply> {
  if (call.operation === 'ListObjectVersions') return listVersions(call, behind);
  const { emulators, notifications, now } = behind;
  const reply = await emulators.sqsAndS3(call.request);
  if (call.operation !== 'PutObject' || reply.status !== 200) return reply;
  const { bucket, key, request } = call;
  const size = Number(request.headers['x-amz-decoded-content-length'] ?? request.body.byteLength);
  const etag = (reply.headers['etag'] ?? '').replaceAll('"', '');
  await notifications.objectCreated({
    bucket,
    key,
    eventName: 'ObjectCreated:Put',
    size,
    etag,
    principalId: by.userId,
    at: now(),
  });
  return reply;
}
