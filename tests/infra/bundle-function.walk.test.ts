import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleFunction } from '../../infra/stack/bundle-function.ts';
import { launchAndDescribe } from './launch-and-describe.ts';

const instance = `<instanceId>i-1</instanceId><launchTime>2026-11-21T00:00:00.000Z</launchTime>
  <instanceState><code>0</code><name>pending</name></instanceState>
  <tagSet><item><key>eph:environment</key><value>1/2</value></item></tagSet>`;
const replies: Record<string, string> = {
  RunInstances: `<RunInstancesResponse><instancesSet><item>${instance}</item></instancesSet></RunInstancesResponse>`,
  DescribeInstances: `<DescribeInstancesResponse><reservationSet><item><instancesSet><item>${instance}</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`,
};

let folder: string;
let server: Server;
let requests: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-bundle-'));
  server = createServer(async (request, response) => {
    const body = await text(request);
    requests.push(body);
    response
      .setHeader('content-type', 'text/xml')
      .end(replies[new URLSearchParams(body).get('Action') ?? '']);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function ask(client: typeof launchAndDescribe) {
  requests = [];
  const { port } = server.address() as AddressInfo;
  return { replies: await client(`http://127.0.0.1:${port}`), requests };
}

test('a bundled AWS SDK sends and reads the same as an unbundled one, in less than half of its size', async () => {
  await bundleFunction(join(import.meta.dirname, 'launch-and-describe.ts'), folder);
  const file = join(folder, 'index.mjs');
  const bundle: { launchAndDescribe: typeof launchAndDescribe } = await import(pathToFileURL(file).href);
  const plain = await ask(launchAndDescribe);
  expect(plain.requests).toHaveLength(2);
  expect(plain.replies).toMatchObject([[{ InstanceId: 'i-1', State: { Name: 'pending' } }], [{}]]);
  expect(await ask(bundle.launchAndDescribe)).toEqual(plain);
  // Without the plugin it has 836 kB.
  expect((await stat(file)).size).toBeLessThan(400_000);
});
