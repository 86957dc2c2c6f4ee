import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { decodeKey, hasNoXml } from '../../lambdas/providers/ec2/s3-mailbox.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const AT_ONCE = 1_000;

/**
 * The mailbox bucket, found by its name, with all versions of its objects: a bucket can be deleted only when it is
 * empty, and its stack only after it. Without a stack the bucket is deleted here. Hosts choose the names of their
 * objects, so a key that XML cannot contain is deleted by a request of its own.
 */
export function bucketDestroyStep(deployment: Deployment): DestroyStep {
  const { aws, settings, tools } = deployment;

  async function bucket(): Promise<string | undefined> {
    const { Account } = await aws.sts.send(new GetCallerIdentityCommand({}));
    const Bucket = `eph-${settings.DEPLOYMENT_ID}-${Account}-${settings.AWS_REGION}`;
    try {
      await aws.s3.send(new HeadBucketCommand({ Bucket }));
      return Bucket;
    } catch (error) {
      if (error instanceof Error && ['NotFound', 'NoSuchBucket'].includes(error.name)) return undefined;
      throw error;
    }
  }

  async function* versions(Bucket: string) {
    let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
    for (;;) {
      const page = await aws.s3.send(new ListObjectVersionsCommand({ Bucket, EncodingType: 'url', ...from }));
      const found = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
      yield found.flatMap(({ Key, VersionId }) => (Key ? [{ Key: decodeKey(Key), VersionId }] : []));
      if (!page.IsTruncated) return;
      const next = page.NextKeyMarker && decodeKey(page.NextKeyMarker);
      from = { KeyMarker: next, VersionIdMarker: page.NextVersionIdMarker };
    }
  }

  return {
    title: 'Mailbox bucket with what is in it',
    async list() {
      const name = await bucket();
      if (!name) return [];
      let count = 0;
      for await (const page of versions(name)) count += page.length;
      return [`${name} (${count} ${count === 1 ? 'object' : 'objects'})`];
    },
    async remove(progress) {
      const name = await bucket();
      if (!name) return;
      let count = 0;
      for await (const page of versions(name)) {
        for (const object of page.filter(({ Key }) => hasNoXml.test(Key))) {
          await aws.s3.send(new DeleteObjectCommand({ Bucket: name, ...object }));
          count += 1;
        }
        const others = page.filter(({ Key }) => !hasNoXml.test(Key));
        for (let from = 0; from < others.length; from += AT_ONCE) {
          const Objects = others.slice(from, from + AT_ONCE);
          const { Errors = [] } = await aws.s3.send(
            new DeleteObjectsCommand({ Bucket: name, Delete: { Objects, Quiet: true } }),
          );
          const [first] = Errors;
          if (first) throw new Error(`${name}/${first.Key} was not deleted: ${first.Message}`);
          count += Objects.length;
          progress(`${count} objects deleted`);
        }
      }
      if ((await tools.stack.state()) === undefined)
        await aws.s3.send(new DeleteBucketCommand({ Bucket: name }));
    },
  };
}
