import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createWireLog, type WireEntry, wireBody, wireQuery } from '../../../local/wire-log.ts';

let directory: string | undefined;
afterEach(async () => {
  if (directory) await rm(directory, { recursive: true });
});

const entry = (more: Partial<WireEntry>): WireEntry => ({
  t: 1,
  peer: 'github',
  method: 'POST',
  path: '/x',
  query: {},
  request: null,
  status: 200,
  reply: null,
  ...more,
});

async function written(...entries: Partial<WireEntry>[]): Promise<{ text: string; lines: WireEntry[] }> {
  directory = await mkdtemp(join(tmpdir(), 'wire-log-'));
  const file = join(directory, 'deep/wire.jsonl');
  const log = createWireLog(file);
  for (const one of entries) log.record(entry(one));
  await log.close();
  const text = await readFile(file, 'utf8');
  return {
    text,
    lines: text
      .trim()
      .split('\n')
      .map((line): WireEntry => JSON.parse(line)),
  };
}

test('one line for each request, in order, with the fields in their order', async () => {
  const { lines } = await written(
    { path: '/a' },
    { path: '/b', query: wireQuery(new URLSearchParams('a=1&b=2&b=3')) },
  );
  expect(lines.map(({ path }) => path)).toEqual(['/a', '/b']);
  expect(Object.keys(lines[0] ?? {})).toEqual([
    't',
    'peer',
    'method',
    'path',
    'query',
    'request',
    'status',
    'reply',
  ]);
  expect(lines[1]?.query).toEqual({ a: '1', b: ['2', '3'] });
});

const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIsecret\n-----END RSA PRIVATE KEY-----';
const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2VjcmV0LXNpZ25hdHVyZQ';
const tunnelToken = Buffer.from(
  JSON.stringify({ a: 'account', t: 'tunnel', s: 'secret-of-the-tunnel-here' }),
).toString('base64');

test.each([
  ['a token by its key', { token: 'sesame' }, 'sesame'],
  ['a secret inside a secret', { secrets: { DATABASE_URL: 'sesame' } }, 'sesame'],
  ['the secret of a tunnel', { TunnelSecret: 'sesame', tunnel_secret: 'sesame' }, 'sesame'],
  ['an attribute of a row', { Item: { tunnelToken: { S: 'sesame' } } }, 'sesame'],
  ['a SecureString', { Name: '/a', Type: 'SecureString', Value: 'sesame' }, 'sesame'],
  ['a token of GitHub in a text', { line: 'using ghs_abcdefghijklmnopqrstuvwxyz01' }, 'abcdefghij'],
  ['a private key', { value: pem }, 'MIIsecret'],
  ['a JSON Web Token', `Bearer ${jwt}`, 'c2VjcmV0'],
  ['a tunnel token without a telling key', { result: tunnelToken }, tunnelToken.slice(0, 30)],
  ['a signed address', { url: 'https://x/y?token=sesame&a=1' }, 'sesame'],
  ['a password in an address', { url: 'https://x-access-token:sesame@github.com/a/b.git' }, 'sesame'],
  ['JSON inside a string', { MessageBody: JSON.stringify({ source: { token: 'sesame' } }) }, 'sesame'],
])('%s is redacted', async (_, request, secret) => {
  const { text } = await written({ request, reply: request });
  expect(text).not.toContain(secret);
  expect(text).toContain('[redacted]');
});

test('values that only look like a secret stay: idempotency and page tokens, enumerations', async () => {
  const request = {
    ClientToken: 'env-1',
    NextToken: 'p2',
    secret_scanning: { status: 'enabled' },
    token_type: 'Bearer',
  };
  expect((await written({ request })).lines[0]?.request).toEqual(request);
});

test('bytes are counted, JSON is parsed, long bodies are cut and stay JSON if they can', async () => {
  const { lines } = await written(
    { request: wireBody(Uint8Array.from([0xff, 0xfe])), reply: wireBody(Buffer.from('{"a":1}')) },
    { request: { log: 'x'.repeat(20_000), sha: 'abc' } },
    { request: Array.from({ length: 5_000 }, (_, n) => n) },
  );
  expect(lines[0]).toMatchObject({ request: '<2 bytes>', reply: { a: 1 } });
  expect(lines[1]?.request).toMatchObject({
    sha: 'abc',
    log: expect.stringContaining('20000 characters in all'),
  });
  expect(lines[2]?.request).toEqual(expect.stringContaining('bytes in all'));
});
