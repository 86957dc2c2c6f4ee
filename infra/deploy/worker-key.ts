import {
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Deployment } from './deployment.ts';
import { untilAccepted } from './until-accepted.ts';

/**
 * The access key of the Worker's IAM user, which can put jobs into one queue. Its secret is only in the Worker: if it
 * is lost, a new key is made. The Worker's own settings say which key it is (`liveKeyId`).
 *
 * IAM allows two keys per user, so a new one can be in use before the old one goes.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export interface WorkerKey {
  id: string;
  secret: string;
}

export interface KeyOnUser {
  id: string;
  active: boolean;
  /** Epoch milliseconds. */
  createdAt: number;
}

/**
 * The keys of the user; empty if the user does not exist. A stack that could not be deleted still names a user that
 * was deleted first.
 */
export async function listWorkerKeys({ aws }: Deployment, UserName: string): Promise<KeyOnUser[]> {
  try {
    const { AccessKeyMetadata = [] } = await aws.iam.send(new ListAccessKeysCommand({ UserName }));
    return AccessKeyMetadata.flatMap(({ AccessKeyId, Status, CreateDate }) =>
      AccessKeyId
        ? [{ id: AccessKeyId, active: Status === 'Active', createdAt: CreateDate?.getTime() ?? 0 }]
        : [],
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchEntityException') return [];
    throw error;
  }
}

/**
 * Makes a key and waits until AWS knows it. If two keys exist already, an interruption left one of them: the one that
 * the Worker does not use is deleted first.
 *
 * @param live id of the key that the Worker uses
 */
export async function makeWorkerKey(
  deployment: Deployment,
  UserName: string,
  live: string | undefined,
): Promise<WorkerKey> {
  const there = await listWorkerKeys(deployment, UserName);
  if (there.length > 1) {
    const [spare] = there.toSorted(
      (a, b) =>
        Number(a.id === live) - Number(b.id === live) ||
        Number(a.active) - Number(b.active) ||
        a.createdAt - b.createdAt,
    );
    if (spare) await deleteWorkerKey(deployment, UserName, spare.id);
  }
  const { AccessKey } = await deployment.aws.iam.send(new CreateAccessKeyCommand({ UserName }));
  const { AccessKeyId: id, SecretAccessKey: secret } = AccessKey ?? {};
  if (!id || !secret) throw new Error('IAM made an access key without telling it.');
  await waitUntilKnown(deployment, { id, secret });
  return { id, secret };
}

/**
 * The key is deactivated first: a program that still uses it fails with an entry in IAM's log, and the step could be
 * undone.
 */
export async function deleteWorkerKey({ aws }: Deployment, UserName: string, id: string): Promise<void> {
  await aws.iam.send(new UpdateAccessKeyCommand({ UserName, AccessKeyId: id, Status: 'Inactive' }));
  await aws.iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId: id }));
}

/** Deletes all keys except the one that the Worker uses. */
export async function deleteOtherWorkerKeys(
  deployment: Deployment,
  UserName: string,
  keep: string,
): Promise<string[]> {
  const others = (await listWorkerKeys(deployment, UserName)).filter(({ id }) => id !== keep);
  for (const { id } of others) await deleteWorkerKey(deployment, UserName, id);
  return others.map(({ id }) => id);
}

export async function deleteWorkerKeys(deployment: Deployment, UserName: string): Promise<void> {
  for (const { id } of await listWorkerKeys(deployment, UserName))
    await deleteWorkerKey(deployment, UserName, id);
}

async function waitUntilKnown({ aws, now }: Deployment, key: WorkerKey): Promise<void> {
  const sts = new STSClient({
    region: await aws.sts.config.region(),
    credentials: { accessKeyId: key.id, secretAccessKey: key.secret },
    ...(aws.sts.config.endpoint && { endpoint: aws.sts.config.endpoint }),
  });
  await untilAccepted(
    () => sts.send(new GetCallerIdentityCommand({})),
    now,
    (seconds, cause) =>
      new OperatorError(
        `AWS does not accept the Worker's new access key ${key.id} after ${seconds} seconds.`,
        'Run the same command again: it makes another one and removes this one.',
        { cause },
      ),
  );
}
