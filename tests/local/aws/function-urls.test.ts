import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalStack, startLocalStack, template } from './local-stack.ts';

const target = { 'Fn::GetAtt': ['Worker', 'Arn'] };
const everybody = { FunctionName: target, Principal: '*' };
const permission = (properties: object) => ({
  Type: 'AWS::Lambda::Permission',
  Properties: { ...everybody, ...properties },
});
const byAddress = permission({ Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'NONE' });
const atAll = permission({ Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true });

const withAddress = (permissions: object, authType = 'NONE') => ({
  Resources: {
    ...template.Resources,
    Address: {
      Type: 'AWS::Lambda::Url',
      Properties: { TargetFunctionArn: target, AuthType: authType },
    },
    ...permissions,
  },
  Outputs: { Url: { Value: { 'Fn::GetAtt': ['Address', 'FunctionUrl'] } } },
});

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack({ template: withAddress({ ByAddress: byAddress, AtAll: atAll }) });
});
afterAll(() => stack.close());
const ask = (init: RequestInit = {}, path = '') => fetch(`${stack.aws.stack.outputs['Url']}${path}`, init);

test('everybody who knows the address can call the function, with the event that Lambda makes of a request', async () => {
  const response = await ask(
    { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Two': 'a' }, body: '{"é":1}' },
    'deep/er?q=1&q=2',
  );
  expect(response.status).toBe(200);
  const { event } = (await response.json()) as { event: unknown };
  expect(event).toMatchObject({
    version: '2.0',
    rawPath: '/deep/er',
    rawQueryString: 'q=1&q=2',
    headers: { 'content-type': 'application/json', 'x-two': 'a' },
    requestContext: { accountId: 'anonymous', http: { method: 'POST', path: '/deep/er' } },
    body: '{"é":1}',
    isBase64Encoded: false,
  });
});

test('a body that is not text comes as base64', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await ask({ method: 'POST', headers, body: 'a=b' });
  expect(await response.json()).toMatchObject({
    event: { isBase64Encoded: true, body: Buffer.from('a=b').toString('base64') },
  });
});

test('the function sets status, headers and body; one that throws is a 502 without a reason', async () => {
  const answer = await ask({
    headers: { 'x-answer': '{"statusCode":202,"headers":{"x-a":"b"},"body":"ok"}' },
  });
  expect([answer.status, answer.headers.get('x-a'), await answer.text()]).toEqual([202, 'b', 'ok']);
  const failed = await ask({ headers: { 'x-throw': 'the password is hunter2' } });
  expect(failed.status).toBe(502);
  expect(await failed.json()).toEqual({ Message: 'Internal Server Error' });
});

test('a body of more than 6 MB is refused, and an unknown address is forbidden', async () => {
  expect((await ask({ method: 'POST', body: Buffer.alloc(6 * 1024 * 1024 + 1) })).status).toBe(413);
  const url = stack.aws.stack.outputs['Url'] ?? '';
  expect((await fetch(url.replace(/[^/]+\/$/, 'other/'))).status).toBe(403);
});

test.each([
  ['neither permission', {}],
  ['the permission for the address alone', { ByAddress: byAddress }],
  ['the permission for the function alone', { AtAll: atAll }],
])('with %s in the template everybody is refused', async (_what, permissions) => {
  const closed = await startLocalStack({ template: withAddress(permissions) });
  const response = await fetch(closed.aws.stack.outputs['Url'] ?? '');
  expect([response.status, await response.json()]).toEqual([403, { Message: 'Forbidden' }]);
  await closed.close();
});

test('an address for signed calls is not supported here', async () => {
  await expect(startLocalStack({ template: withAddress({}, 'AWS_IAM') })).rejects.toThrow(
    'Address: AuthType: the local platform knows addresses that are open to everybody only',
  );
});
