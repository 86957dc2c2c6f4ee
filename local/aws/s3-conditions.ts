import { AwsError } from './aws-error.ts';
import { errorReply, type Reply } from './aws-protocol.ts';
import type { RawRequest } from './sigv4.ts';

/**
 * The conditions of PutObject, which fauxqs ignores. Each conditional write waits for the one before it, so that two
 * of them never both find the version that the other has replaced.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function withConditions(
  answer: (request: RawRequest) => Promise<Reply>,
): (request: RawRequest) => Promise<Reply> {
  let last: Promise<unknown> = Promise.resolve();

  async function putIfMet(request: RawRequest): Promise<Reply> {
    const { status, headers } = await answer({ ...request, method: 'HEAD', body: new Uint8Array() });
    const found = status === 200 ? headers['etag'] : undefined;
    const refused = unmet(request, found);
    return refused ? errorReply('s3', refused) : answer(request);
  }

  return (request) => {
    if (request.method !== 'PUT' || !hasCondition(request)) return answer(request);
    const put = last.then(() => putIfMet(request));
    last = put.catch(() => undefined);
    return put;
  };
}

function hasCondition({ headers }: RawRequest): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined;
}

function unmet({ headers }: RawRequest, found: string | undefined): AwsError | undefined {
  const { 'if-match': wanted, 'if-none-match': unwanted } = headers;
  if (unwanted !== undefined && unwanted !== '*') {
    const message = 'A header you provided implies functionality that is not implemented';
    return new AwsError('NotImplemented', message, 501);
  }
  if (wanted !== undefined && found === undefined)
    return new AwsError('NoSuchKey', 'The specified key does not exist.', 404);
  if (wanted === undefined ? found === undefined : wanted === found) return undefined;
  const message = 'At least one of the pre-conditions you specified did not hold';
  return new AwsError('PreconditionFailed', message, 412);
}
