import { expect, test } from 'vitest';
import { type AccessRequest, evaluate, parsePolicy } from '../../../local/aws/iam.ts';

const decide = (statements: object | object[], request: Partial<AccessRequest> = {}) =>
  evaluate(parsePolicy({ Version: '2012-10-17', Statement: statements }, 'test'), {
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/hosts/AROA1:i-1/next.json',
    context: {},
    ...request,
  });
const allow = (more: object) => ({ Effect: 'Allow', Action: '*', Resource: '*', ...more });

test('actions match without regard to case, resources with it; wildcards match everything', () => {
  expect(decide(allow({ Action: 'S3:get*' }))).toBe('allow');
  expect(decide(allow({ Action: 's3:Put*' }))).toBe('implicit deny');
  expect(decide(allow({ Resource: 'arn:aws:s3:::b/*.json' }))).toBe('allow');
  expect(decide(allow({ Resource: 'arn:aws:s3:::B/*' }))).toBe('implicit deny');
  expect(decide(allow({ Resource: 'arn:aws:s3:::b/hosts/AROA?:i-1/next.json' }))).toBe('allow');
});

test('a deny wins over every allow', () => {
  const deny = { Effect: 'Deny', Action: 's3:*', Resource: '*' };
  expect(decide([allow({}), deny])).toBe('explicit deny');
  expect(decide([allow({}), deny], { action: 'sqs:SendMessage' })).toBe('allow');
});

test('NotAction and NotResource match everything else', () => {
  const { Action: _a, ...notAction } = allow({ NotAction: 'iam:*' }) as Record<string, unknown>;
  expect(decide(notAction)).toBe('allow');
  expect(decide(notAction, { action: 'iam:PassRole' })).toBe('implicit deny');
});

test('a policy variable has the value of the request, in which a star is no wildcard', () => {
  const own = allow({ Resource: 'arn:aws:s3:::b/hosts/\u0024{aws:userid}/*' });
  expect(decide(own, { context: { 'aws:userid': 'AROA1:i-1' } })).toBe('allow');
  expect(decide(own, { context: { 'aws:userid': 'AROA1:i-2' } })).toBe('implicit deny');
  expect(decide(own, { context: { 'aws:userid': '*' } })).toBe('implicit deny');
  expect(decide(own)).toBe('implicit deny');
});

test.each([
  ['StringEquals', { 'aws:RequestTag/app': 'eph' }, { 'aws:RequestTag/app': 'eph' }, true],
  ['StringEquals', { 'aws:RequestTag/app': 'eph' }, { 'aws:RequestTag/app': 'other' }, false],
  ['StringEquals', { 'aws:RequestTag/app': 'eph' }, {}, false],
  ['StringEquals', { 'aws:requesttag/app': ['x', 'eph'] }, { 'aws:RequestTag/app': 'eph' }, true],
  ['StringNotEquals', { 'aws:RequestTag/app': 'eph' }, {}, true],
  ['StringEqualsIfExists', { 'aws:RequestTag/app': 'eph' }, {}, true],
  ['StringLike', { 's3:prefix': 'hosts/*' }, { 's3:prefix': 'hosts/a' }, true],
  ['ArnLike', { 'aws:SourceArn': 'arn:aws:s3:::*' }, { 'aws:SourceArn': 'arn:aws:s3:::b' }, true],
  ['Bool', { 'aws:SecureTransport': false }, { 'aws:SecureTransport': 'true' }, false],
  ['Null', { 'aws:RequestTag/app': 'true' }, {}, true],
  ['ForAnyValue:StringEquals', { 'aws:TagKeys': 'app' }, { 'aws:TagKeys': ['app', 'x'] }, true],
  ['ForAllValues:StringEquals', { 'aws:TagKeys': 'app' }, { 'aws:TagKeys': ['app', 'x'] }, false],
  ['ForAllValues:StringEquals', { 'dynamodb:LeadingKeys': ['a'] }, {}, true],
])('%s %o of %o is %s', (operator, wanted, context, holds) => {
  expect(decide(allow({ Condition: { [operator]: wanted } }), { context })).toBe(
    holds ? 'allow' : 'implicit deny',
  );
});

test('an unknown part of a policy is refused when the policy is read', () => {
  const read = (statement: object) => () => parsePolicy({ Statement: statement }, 'JobPolicy');
  expect(read(allow({ Condition: { StringMatches: { 'aws:userid': 'x' } } }))).toThrow(
    /JobPolicy: .*operator StringMatches/,
  );
  expect(read(allow({ Condition: { StringEquals: { 'aws:SourceVpce': 'x' } } }))).toThrow(
    /JobPolicy: .*key aws:SourceVpce/,
  );
  expect(read({ Effect: 'Allow', Action: 's3:*' })).toThrow(/JobPolicy: Resource is missing/);
  expect(read(allow({ Conditions: {} }))).toThrow(/JobPolicy/);
});
