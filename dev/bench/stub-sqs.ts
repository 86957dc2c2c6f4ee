import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * SQS as far as SendMessage needs it, in a process of its own so that its CPU is measured for nothing else: `node
 * stub-sqs.ts answer` answers at once, `node stub-sqs.ts hang` never answers. Prints its port.
 */
const hangs = process.argv[2] === 'hang';

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (hangs) return;
    const { MessageBody } = JSON.parse(Buffer.concat(chunks).toString());
    // The SDK checks this hash.
    const MD5OfMessageBody = createHash('md5').update(MessageBody).digest('hex');
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify({ MessageId: crypto.randomUUID(), MD5OfMessageBody }));
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
