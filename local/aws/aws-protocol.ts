/**
 * The three wire protocols of the services that the receiver serves: JSON (SQS, DynamoDB, SSM, Lambda), query/XML
 * (EC2, STS), REST/XML (S3). This reads the operation of a request, and writes an error in its form.
 */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import type { AuthenticationFailure } from './keyring.ts';
import { s3OperationOf } from './s3-operations.ts';
import { type RawRequest, splitTarget } from './sigv4.ts';

const serviceNames = [
  'sqs',
  's3',
  'dynamodb',
  'ec2',
  'ssm',
  'sts',
  'lambda',
  'iam',
  'cloudformation',
  'logs',
  'servicequotas',
] as const;
export type ServiceName = (typeof serviceNames)[number];

export interface Call {
  service: ServiceName;
  operation: string;
  /** JSON body, form fields, or nothing for S3. */
  params: Record<string, unknown>;
  /** For S3, bucket and key of the path, decoded. */
  bucket: string;
  key: string;
  request: RawRequest;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

export function isServiceName(name: string): name is ServiceName {
  return serviceNames.some((service) => service === name);
}

/** The service of a request without a credential scope, which would name it. */
export function guessService(request: RawRequest): ServiceName {
  const target = request.headers['x-amz-target'] ?? '';
  if (target.startsWith('AmazonSQS.')) return 'sqs';
  if (target.startsWith('DynamoDB_')) return 'dynamodb';
  if (target.startsWith('AmazonSSM.')) return 'ssm';
  if ((request.headers['content-type'] ?? '').includes('x-www-form-urlencoded')) return 'ec2';
  return 's3';
}

/** @throws AwsError for a request that the service does not have */
export function readCall(service: ServiceName, request: RawRequest): Call {
  const { path } = splitTarget(request.target);
  const call = { service, request, params: {}, bucket: '', key: '' };
  switch (service) {
    case 'sqs':
    case 'dynamodb':
    case 'logs':
    case 'servicequotas':
    case 'ssm': {
      const operation = (request.headers['x-amz-target'] ?? '').split('.')[1] ?? '';
      return { ...call, operation, params: readJson(request.body) };
    }
    case 'ec2':
    case 'iam':
    case 'cloudformation':
    case 'sts': {
      const params = Object.fromEntries(new URLSearchParams(Buffer.from(request.body).toString('utf8')));
      return { ...call, operation: params['Action'] ?? '', params };
    }
    case 'lambda': {
      if (path === '/2016-08-19/account-settings') return { ...call, operation: 'GetAccountSettings' };
      const [, name, part] = /^\/2015-03-31\/functions\/([^/]+)\/(\w+)$/.exec(path) ?? [];
      const operation = lambdaOperations[`${request.method} ${part}`];
      if (!name || !operation)
        throw new AwsError('UnknownOperationException', `${request.method} ${path}`, 404);
      return { ...call, operation, key: decodeURIComponent(name) };
    }
    case 's3': {
      const [, bucket = '', key = ''] = /^\/([^/]*)\/?([\s\S]*)$/.exec(path) ?? [];
      const decoded = { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key) };
      return { ...call, ...decoded, operation: s3OperationOf(request, decoded) };
    }
  }
}

const lambdaOperations: Record<string, string> = {
  'POST invocations': 'Invoke',
  'GET configuration': 'GetFunctionConfiguration',
  'PUT configuration': 'UpdateFunctionConfiguration',
  'PUT code': 'UpdateFunctionCode',
};

function readJson(body: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8') || '{}');
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Refused below, like a body that is JSON but no object.
  }
  throw new AwsError('SerializationException', 'The request body is not a JSON object');
}

type Failure = AuthenticationFailure | 'denied';

const messages: Record<AuthenticationFailure, string> = {
  missing: 'Request is missing Authentication Token',
  'unknown key': 'The security token included in the request is invalid.',
  'bad signature':
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key, region and signing method.',
  expired: 'The security token included in the request is expired',
  skewed: 'Signature expired: the difference between the request time and the current time is too large.',
};

const jsonCodes: Record<Failure, [string, number]> = {
  missing: ['MissingAuthenticationTokenException', 400],
  'unknown key': ['UnrecognizedClientException', 400],
  'bad signature': ['InvalidSignatureException', 400],
  expired: ['ExpiredTokenException', 400],
  skewed: ['InvalidSignatureException', 400],
  denied: ['AccessDeniedException', 400],
};
const queryCodes: Record<Failure, [string, number]> = {
  missing: ['MissingAuthenticationToken', 403],
  'unknown key': ['InvalidClientTokenId', 403],
  'bad signature': ['SignatureDoesNotMatch', 403],
  expired: ['ExpiredToken', 403],
  skewed: ['SignatureDoesNotMatch', 403],
  denied: ['AccessDenied', 403],
};
const codes: Record<ServiceName, Record<Failure, [string, number]>> = {
  dynamodb: jsonCodes,
  ssm: jsonCodes,
  lambda: {
    ...jsonCodes,
    'unknown key': ['UnrecognizedClientException', 403],
    denied: ['AccessDeniedException', 403],
  },
  sqs: queryCodes,
  sts: queryCodes,
  iam: queryCodes,
  cloudformation: queryCodes,
  logs: jsonCodes,
  servicequotas: jsonCodes,
  ec2: {
    missing: ['AuthFailure', 401],
    'unknown key': ['AuthFailure', 401],
    'bad signature': ['AuthFailure', 401],
    expired: ['RequestExpired', 400],
    skewed: ['RequestExpired', 400],
    denied: ['UnauthorizedOperation', 403],
  },
  s3: {
    missing: ['AccessDenied', 403],
    'unknown key': ['InvalidAccessKeyId', 403],
    'bad signature': ['SignatureDoesNotMatch', 403],
    expired: ['ExpiredToken', 400],
    skewed: ['RequestTimeTooSkewed', 403],
    denied: ['AccessDenied', 403],
  },
};

export function authenticationError(service: ServiceName, failure: AuthenticationFailure): AwsError {
  const [code, status] = codes[service][failure];
  return new AwsError(code, messages[failure], status);
}

/** The refusal, which names who lacks which action on what, as AWS does: from it a person repairs the policy. */
export function accessDenied(
  service: ServiceName,
  who: string,
  action: string,
  resource: string,
  explicit: boolean,
) {
  const [code, status] = codes[service].denied;
  const because = explicit
    ? 'with an explicit deny in a policy'
    : `because no identity-based policy allows the ${action} action`;
  const sentence = `User: ${who} is not authorized to perform: ${action} on resource: ${resource} ${because}`;
  const message =
    service === 'ec2' ? `You are not authorized to perform this operation. ${sentence}` : sentence;
  return new AwsError(code, message, status);
}

export function errorReply(service: ServiceName, error: AwsError, isHead = false): Reply {
  const requestId = randomUUID();
  const { code, message, status } = error;
  switch (service) {
    case 'sqs':
      return jsonReply({ __type: `com.amazonaws.sqs#${code}`, message }, status, {
        'x-amzn-query-error': `${code};${status < 500 ? 'Sender' : 'Receiver'}`,
      });
    case 'dynamodb':
    case 'ssm':
    case 'logs':
    case 'servicequotas':
    case 'lambda':
      return jsonReply({ __type: code, message, Message: message }, status, { 'x-amzn-errortype': code });
    case 'ec2':
      return xmlReply(
        `<Response><Errors><Error>${codeAndMessage(error)}</Error></Errors><RequestID>${requestId}</RequestID></Response>`,
        status,
      );
    case 'sts':
    case 'iam':
    case 'cloudformation':
      return xmlReply(
        `<ErrorResponse><Error><Type>Sender</Type>${codeAndMessage(error)}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
        status,
      );
    case 's3':
      return isHead
        ? { status, headers: {}, body: new Uint8Array() }
        : xmlReply(`<Error>${codeAndMessage(error)}<RequestId>${requestId}</RequestId></Error>`, status);
  }
}

function codeAndMessage({ code, message }: AwsError): string {
  return `<Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message>`;
}

export function jsonReply(value: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID(), ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

export function xmlReply(xml: string, status = 200): Reply {
  return {
    status,
    headers: { 'content-type': 'text/xml;charset=UTF-8' },
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`),
  };
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
