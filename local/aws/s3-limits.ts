import { AwsError } from './aws-error.ts';
import type { Reply } from './aws-protocol.ts';
import { type RawRequest, splitTarget } from './sigv4.ts';

const MAX_DELETED_KEYS = 1_000;

/**
 * Refuses what fauxqs accepts and S3 does not: more than 1,000 keys in one DeleteObjects, and characters that XML
 * cannot contain, also as `&#x1;`. Such a key can only be deleted by DeleteObject, where it is in the path.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
 */
export function beyondS3({ method, target, body }: RawRequest): AwsError | undefined {
  if (method !== 'POST' || !queryOf(target).has('delete')) return undefined;
  const xml = Buffer.from(body).toString('utf8');
  const keys = [...xml.matchAll(/<Key>/g)].length;
  const references = [...xml.matchAll(/&#(x[0-9a-f]+|[0-9]+);/gi)].map(([, code = '']) =>
    String.fromCodePoint(Number(code.replace(/^x/i, '0x'))),
  );
  if (keys <= MAX_DELETED_KEYS && ![xml, ...references].some(hasNoXml)) return undefined;
  const message = 'The XML you provided was not well-formed or did not validate against our published schema';
  return new AwsError('MalformedXML', message);
}

/** XML 1.0 allows three control characters: tab, line feed and carriage return. */
function hasNoXml(text: string): boolean {
  return /[\ufffe\uffff]|(?![\t\n\r\u007f-\u009f])\p{Cc}/u.test(text);
}

/** `encoding-type=url`, which fauxqs ignores: names are encoded as in an address, with a plus for a space. */
export function encodedListing({ method, target }: RawRequest, reply: Reply): Reply {
  if (method !== 'GET' || reply.status !== 200 || queryOf(target).get('encoding-type') !== 'url')
    return reply;
  const xml = Buffer.from(reply.body)
    .toString('utf8')
    .replace(/<(Key|Prefix|StartAfter)>([\s\S]*?)<\/\1>/g, (_all, tag: string, name: string) => {
      return `<${tag}>${new URLSearchParams([['', unescapeXml(name)]]).toString().slice(1)}</${tag}>`;
    })
    .replace('<KeyCount>', '<EncodingType>url</EncodingType><KeyCount>');
  return { ...reply, body: Buffer.from(xml) };
}

function unescapeXml(text: string): string {
  const plain: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_all, name: string) => plain[name] ?? '');
}

function queryOf(target: string): URLSearchParams {
  return new URLSearchParams(splitTarget(target).query);
}
