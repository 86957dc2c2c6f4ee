import {
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import {
  GetQueueUrlCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { GetParametersCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientOptions, type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack;
let root: ReturnType<typeof clientOptions>;
let reports: string;
let mail: string;

beforeAll(async () => {
  stack = await startLocalStack();
  root = clientOptions(stack.aws, stack.aws.credentials.root());
  reports = stack.aws.queueUrl('reports');
  mail = 'mail-000000000000';
});
afterAll(() => stack.close());

const received = async () => {
  const { Messages = [] } = await new SQSClient(root).send(
    new ReceiveMessageCommand({ QueueUrl: reports, MaxNumberOfMessages: 10 }),
  );
  return Messages.map(({ Body = '' }) => Body);
};

describe('signatures', () => {
  const wrong = () => {
    const { credentials } = root;
    return { ...root, credentials: { ...credentials, secretAccessKey: 'not-the-secret' } };
  };
  const unknown = () => ({ ...root, credentials: { accessKeyId: 'AKIANOBODYKNOWS', secretAccessKey: 'x' } });

  test('an unknown key is refused in the words of each service', async () => {
    await expect(new DynamoDBClient(unknown()).send(new ListTablesCommand({}))).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
    await expect(
      new SSMClient(unknown()).send(new GetParametersCommand({ Names: ['x'] })),
    ).rejects.toMatchObject({ name: 'UnrecognizedClientException' });
    await expect(
      new SQSClient(unknown()).send(new GetQueueUrlCommand({ QueueName: 'reports' })),
    ).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    await expect(
      new S3Client(unknown()).send(new ListObjectsV2Command({ Bucket: mail })),
    ).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
    await expect(new EC2Client(unknown()).send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: 'AuthFailure',
    });
  });

  test('a wrong secret is refused in the words of each service', async () => {
    await expect(new DynamoDBClient(wrong()).send(new ListTablesCommand({}))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    });
    await expect(
      new S3Client(wrong()).send(new ListObjectsV2Command({ Bucket: mail })),
    ).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    await expect(new EC2Client(wrong()).send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: 'AuthFailure',
    });
  });

  test('another region is refused', async () => {
    await expect(
      new SSMClient({ ...root, region: 'eu-west-1' }).send(new GetParametersCommand({ Names: ['x'] })),
    ).rejects.toMatchObject({ name: 'InvalidSignatureException' });
  });

  test('a session key without its token is refused', async () => {
    const { AWS_SESSION_TOKEN: _, ...bare } = stack.aws.credentials.role('HostRole', 'i-0abc');
    await expect(
      new S3Client(clientOptions(stack.aws, bare)).send(new ListObjectsV2Command({ Bucket: mail })),
    ).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
  });

  test('a clock that is 20 minutes wrong is refused', async () => {
    const early = { ...root, systemClockOffset: -20 * 60_000 };
    await expect(new DynamoDBClient(early).send(new ListTablesCommand({}))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    });
    await expect(new EC2Client(early).send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: 'RequestExpired',
    });
  });

  test('an unsigned request is refused', async () => {
    const answer = await fetch(`${stack.aws.url}/${mail}/hosts/x`);
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('AccessDenied')]);
  });

  test('S3 requires the hash of the body, which curl does not send by itself', async () => {
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = stack.aws.credentials.root();
    const client = new AwsClient({
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      region: 'us-east-1',
      service: 's3',
    });
    const signed = await client.sign(`${stack.aws.url}/${mail}/agent/x.mjs`);
    signed.headers.delete('x-amz-content-sha256');
    const answer = await fetch(signed);
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining('x-amz-content-sha256'),
    ]);
  });

  test('aws4fetch signs a queue message as the Worker does, and reads its own identity', async () => {
    const {
      AWS_ACCESS_KEY_ID = '',
      AWS_SECRET_ACCESS_KEY = '',
      AWS_REGION = '',
    } = stack.aws.credentials.user('Sender');
    const client = new AwsClient({
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      region: AWS_REGION,
    });
    const sent = await client.fetch(reports, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessage' },
      body: JSON.stringify({ QueueUrl: reports, MessageBody: 'from the worker' }),
      aws: { service: 'sqs' },
    });
    expect(sent.status).toBe(200);
    expect(await received()).toEqual(['from the worker']);
    const who = await client.fetch(stack.aws.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
      aws: { service: 'sts' },
    });
    expect(await who.text()).toContain(':user/eph-local-Sender');
  });

  test('a presigned address reads one object, until it expires', async () => {
    await new S3Client(root).send(new PutObjectCommand({ Bucket: mail, Key: 'agent/a b.mjs', Body: 'code' }));
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = stack.aws.credentials.root();
    const client = new AwsClient({
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      region: 'us-east-1',
      service: 's3',
    });
    const sign = async (datetime?: string) => {
      const aws = { signQuery: true, ...(datetime && { datetime }) };
      return (await client.sign(`${stack.aws.url}/${mail}/agent/a%20b.mjs?X-Amz-Expires=60`, { aws })).url;
    };
    expect(await (await fetch(await sign())).text()).toBe('code');
    const old = new Date(Date.now() - 120_000).toISOString().replaceAll(/[:-]|\.\d+/g, '');
    expect((await fetch(await sign(old))).status).toBe(403);
  });
});

describe('policies', () => {
  test('a call without the right is refused, and the missing right is named', async () => {
    const sender = new SQSClient(clientOptions(stack.aws, stack.aws.credentials.user('Sender')));
    const jobs = stack.aws.stack.queues.find(({ name }) => name.includes('Jobs'));
    const refused = sender.send(
      new SendMessageCommand({ QueueUrl: stack.aws.queueUrl(jobs?.name ?? ''), MessageBody: 'x' }),
    );
    await expect(refused).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining(
        `is not authorized to perform: sqs:SendMessage on resource: ${jobs?.arn} because no identity-based policy allows`,
      ),
    });
  });

  test('an explicit deny of the queue applies to everybody, the owner too', async () => {
    await expect(
      new SQSClient(root).send(new PurgeQueueCommand({ QueueUrl: reports })),
    ).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('explicit deny'),
    });
  });

  test('a host reads and writes its own mailbox and no other', async () => {
    const host = new S3Client(clientOptions(stack.aws, stack.aws.credentials.role('HostRole', 'i-0abc')));
    const roleId = stack.aws.stack.roles.find(({ logicalId }) => logicalId === 'HostRole')?.id;
    const own = `hosts/${roleId}:i-0abc/progress.txt`;
    await host.send(new PutObjectCommand({ Bucket: mail, Key: own, Body: 'mine' }));
    expect(
      await (await host.send(new GetObjectCommand({ Bucket: mail, Key: own }))).Body?.transformToString(),
    ).toBe('mine');
    const other = host.send(new GetObjectCommand({ Bucket: mail, Key: `hosts/${roleId}:i-0abd/next.json` }));
    await expect(other).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('s3:GetObject'),
    });
  });

  test('a missing object is 404 for those who may list, 403 for a host', async () => {
    const roleId = stack.aws.stack.roles.find(({ logicalId }) => logicalId === 'HostRole')?.id;
    const get = new GetObjectCommand({ Bucket: mail, Key: `hosts/${roleId}:i-0abc/next.json` });
    await expect(new S3Client(root).send(get)).rejects.toMatchObject({ name: 'NoSuchKey' });
    const host = new S3Client(clientOptions(stack.aws, stack.aws.credentials.role('HostRole', 'i-0abc')));
    await expect(host.send(get)).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('s3:ListBucket'),
    });
  });
});

describe('services', () => {
  test('S3 notifies the queue of matching objects, with an encoded key', async () => {
    const s3 = new S3Client(root);
    for (const Key of ['hosts/A:i-1/log.txt', 'agent/x.json', 'hosts/A:i-1/my result.json']) {
      await s3.send(new PutObjectCommand({ Bucket: mail, Key, Body: '{}' }));
    }
    const messages = await received();
    expect(messages).toHaveLength(1);
    expect(JSON.parse(messages[0] ?? '')).toMatchObject({
      Records: [
        {
          eventSource: 'aws:s3',
          eventName: 'ObjectCreated:Put',
          s3: { bucket: { name: mail }, object: { key: 'hosts/A%3Ai-1/my+result.json', size: 2 } },
        },
      ],
    });
  });

  test('notifications come twice and out of order on request', async () => {
    stack.aws.notifications.knobs.duplicate = true;
    stack.aws.notifications.knobs.reorder = true;
    const s3 = new S3Client(root);
    for (const n of [1, 2])
      await s3.send(new PutObjectCommand({ Bucket: mail, Key: `hosts/A:i-1/${n}.json`, Body: '{}' }));
    stack.aws.notifications.knobs.duplicate = false;
    stack.aws.notifications.knobs.reorder = false;
    const keys = (await received()).map((body) => /([12])\.json/.exec(body)?.[1]);
    expect(keys).toEqual(['2', '2', '1', '1']);
  });

  test('S3 deletes and lists', async () => {
    const s3 = new S3Client(root);
    await s3.send(new PutObjectCommand({ Bucket: mail, Key: 'list/a', Body: 'a' }));
    await s3.send(new PutObjectCommand({ Bucket: mail, Key: 'list/b', Body: 'b' }));
    await s3.send(new DeleteObjectCommand({ Bucket: mail, Key: 'list/a' }));
    const listed = await s3.send(new ListObjectsV2Command({ Bucket: mail, Prefix: 'list/' }));
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['list/b']);
  });

  test('S3 refuses a copy and a part of an upload, which are not a plain put', async () => {
    const s3 = new S3Client(root);
    const at = { Bucket: mail, Key: 'hosts/A:i-1/copy.json' };
    for (const asked of [
      s3.send(new CopyObjectCommand({ ...at, CopySource: `${mail}/list/b` })),
      s3.send(new UploadPartCommand({ ...at, UploadId: 'x', PartNumber: 1, Body: 'x' })),
    ]) {
      await expect(asked).rejects.toMatchObject({ name: 'NotImplemented' });
    }
  });

  test('DynamoDB keeps conditions and indexes', async () => {
    const rows = new DynamoDBClient(root);
    const TableName = 'rows';
    await rows.send(
      new PutItemCommand({
        TableName,
        Item: { key: { S: 'a' }, due: { S: '0' } },
        ConditionExpression: 'attribute_not_exists(#k)',
        ExpressionAttributeNames: { '#k': 'key' },
      }),
    );
    const update = (lease: string) =>
      new UpdateItemCommand({
        TableName,
        Key: { key: { S: 'a' } },
        UpdateExpression: 'SET lease = :l ADD wakes :one',
        ConditionExpression: 'attribute_not_exists(lease)',
        ExpressionAttributeValues: { ':l': { S: lease }, ':one': { N: '1' } },
      });
    await rows.send(update('one'));
    await expect(rows.send(update('two'))).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
    const { Item } = await rows.send(new GetItemCommand({ TableName, Key: { key: { S: 'a' } } }));
    expect(Item).toMatchObject({ lease: { S: 'one' }, wakes: { N: '1' } });
    const due = await rows.send(
      new QueryCommand({
        TableName,
        IndexName: 'due',
        KeyConditionExpression: 'due = :d',
        ExpressionAttributeValues: { ':d': { S: '0' } },
      }),
    );
    expect(due.Items?.map(({ key }) => key)).toEqual([{ S: 'a' }]);
  });

  test('queue addresses lead to the receiver', async () => {
    const { QueueUrl } = await new SQSClient(root).send(new GetQueueUrlCommand({ QueueName: 'reports' }));
    expect(QueueUrl).toBe(`${stack.aws.url}/000000000000/reports`);
  });
});

describe('faults and the wire log', () => {
  test('a call fails as often as requested, before or after it took effect', async () => {
    const ssm = new SSMClient(root);
    stack.aws.faults.failNext('ssm.PutParameter', {
      code: 'InternalServerError',
      status: 500,
      when: 'after',
    });
    const put = (Value: string) =>
      ssm.send(new PutParameterCommand({ Name: '/faults/a', Type: 'SecureString', Value, Overwrite: true }));
    await expect(put('1')).rejects.toMatchObject({ name: 'InternalServerError' });
    stack.aws.faults.failNext('ssm.PutParameter', 'ThrottlingException');
    await expect(put('2')).rejects.toMatchObject({ name: 'ThrottlingException' });
    const Names = ['/faults/a', '/faults/b'];
    const read = await ssm.send(new GetParametersCommand({ Names, WithDecryption: true }));
    expect(read).toMatchObject({ Parameters: [{ Value: '1' }], InvalidParameters: ['/faults/b'] });
    const cipher = await ssm.send(new GetParametersCommand({ Names }));
    expect(cipher.Parameters?.[0]?.Value).toMatch(/^AQICAH/);
  });

  test('a dropped connection leaves the client without an answer', async () => {
    stack.aws.faults.failNext('dynamodb.ListTables', 'drop');
    await expect(new DynamoDBClient(root).send(new ListTablesCommand({}))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
  });

  test('each request and its reply are recorded', async () => {
    stack.wire.length = 0;
    await new SQSClient(root).send(new SendMessageCommand({ QueueUrl: reports, MessageBody: '{"v":1}' }));
    expect(stack.wire).toMatchObject([
      {
        peer: 'sqs',
        method: 'POST',
        query: { Action: 'SendMessage' },
        request: { MessageBody: '{"v":1}' },
        status: 200,
        reply: { MessageId: expect.any(String) },
      },
    ]);
  });
});
