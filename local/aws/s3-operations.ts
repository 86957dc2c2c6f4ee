/** The S3 operations that are used here, how a request names each, and the right that it needs. */
import { AwsError } from './aws-error.ts';
import { type RawRequest, splitTarget } from './sigv4.ts';

export interface S3Operation {
  method: string;
  of: 'bucket' | 'object';
  /** The parameter that distinguishes it from other operations with its method. */
  told?: string;
  /** Further parameters that its address may have. */
  parameters?: readonly string[];
  action: string;
}

const listing = ['prefix', 'delimiter', 'max-keys', 'continuation-token', 'start-after', 'encoding-type'];

export const s3Operations: Readonly<Record<string, S3Operation>> = {
  HeadBucket: { method: 'HEAD', of: 'bucket', action: 's3:ListBucket' },
  DeleteBucket: { method: 'DELETE', of: 'bucket', action: 's3:DeleteBucket' },
  ListObjectsV2: {
    method: 'GET',
    of: 'bucket',
    told: 'list-type',
    parameters: listing,
    action: 's3:ListBucket',
  },
  ListObjectVersions: {
    method: 'GET',
    of: 'bucket',
    told: 'versions',
    parameters: [...listing, 'key-marker', 'version-id-marker'],
    action: 's3:ListBucketVersions',
  },
  DeleteObjects: { method: 'POST', of: 'bucket', told: 'delete', action: 's3:DeleteObject' },
  GetObject: { method: 'GET', of: 'object', action: 's3:GetObject' },
  HeadObject: { method: 'HEAD', of: 'object', action: 's3:GetObject' },
  PutObject: { method: 'PUT', of: 'object', action: 's3:PutObject' },
  DeleteObject: { method: 'DELETE', of: 'object', parameters: ['versionId'], action: 's3:DeleteObject' },
};

/** The SDK's own name for the call, and the signature of a presigned address. */
const ofEveryCall = /^(x-id|x-amz-[a-z-]+)$/i;
/** With this header a PUT is another operation. */
const COPY = 'x-amz-copy-source';

/** @throws AwsError for an operation that is not in the table */
export function s3OperationOf(request: RawRequest, at: { bucket: string; key: string }): string {
  const { method, target, headers } = request;
  const names = [...new URLSearchParams(splitTarget(target).query).keys()].filter(
    (name) => !ofEveryCall.test(name),
  );
  const level = at.key === '' ? 'bucket' : 'object';
  const found = Object.entries(s3Operations).find(
    ([, { told, parameters = [], ...operation }]) =>
      operation.method === method &&
      operation.of === level &&
      (told === undefined || names.includes(told)) &&
      names.every((name) => name === told || parameters.includes(name)),
  );
  const other = method === 'PUT' && headers[COPY] !== undefined;
  if (found && !other && at.bucket !== '') return found[0];
  throw new AwsError(
    'NotImplemented',
    `${method} ${target}: the local platform does not offer this S3 operation`,
    501,
  );
}
