import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { bundleWorker } from '../../../local/build-product.ts';
import { type LocalCloudflare, startCloudflare } from '../../../local/cloudflare/start-cloudflare.ts';
import { createWireLog } from '../../../local/wire-log.ts';
import { openWorkerSlot, type WorkerSlot } from '../../../local/worker/worker-slot.ts';
import { type Connector, eventually, startConnector } from './connector.ts';
import { type Origin, startOrigin } from './origin.ts';
import { asBrowser, createVisitor, type Visitor } from './visitor.ts';

/** The Worker's upload, in workerd, on the route of the previews. */
let cf: LocalCloudflare;
let worker: WorkerSlot;
let origin: Origin;
let connectors: Connector[] = [];
let visitor: Visitor;
let folder: string;

const url = (name: string, path = '/'): string => `http://${name}.eph.localhost:${cf.edgePort}${path}`;
const credentials = (): Record<string, string> => ({
  'cf-access-client-id': cf.access.serviceToken.clientId,
  'cf-access-client-secret': cf.access.serviceToken.clientSecret,
});
const navigation = { ...asBrowser, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

async function createPreview(name: string, service?: string): Promise<void> {
  const { id, token } = cf.cloudflare.createTunnel({ name: `eph-${name}`, config_src: 'cloudflare' });
  const access = { required: true, teamName: cf.access.teamName, audTag: [cf.access.applicationAud] };
  const ingress = [{ service: service ?? 'http_status:404', originRequest: { access } }];
  cf.cloudflare.putConfiguration(id, { config: { ingress } });
  const content = `${id}.cfargotunnel.com`;
  cf.cloudflare.createRecord({
    type: 'CNAME',
    name: `${name}.eph.localhost`,
    content,
    proxied: true,
    ttl: 1,
  });
  if (!service) return;
  connectors.push(await startConnector(cf.edgeUrl, token));
  await eventually(
    `${name} serves`,
    () => cf.cloudflare.connectorsOf(id)[0]?.configVersion === cf.cloudflare.getConfiguration(id).version,
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-worker-in-front-'));
  origin = await startOrigin();
  worker = await openWorkerSlot({ log: () => undefined, outbound: () => cf.outboundHost });
  cf = await startCloudflare({
    zone: 'eph.localhost',
    wireLog: createWireLog(),
    workers: { scripts: ['eph-local'], url: () => worker.url },
  });
  await worker.upload({
    bundle: await bundleWorker(folder, () => undefined),
    vars: { PREVIEW_SUFFIX: '-pr.eph.localhost' },
    secrets: {},
    dropSecrets: [],
  });
  cf.cloudflare.createRoute({ pattern: '*-pr.eph.localhost/*', script: 'eph-local' });
  await createPreview('shop-pr', `http://127.0.0.1:${origin.port}`);
  await createPreview('starting-pr', 'http://127.0.0.1:9');
  await createPreview('asleep-pr');
  visitor = createVisitor(cf.edgePort);
});

afterAll(async () => {
  for (const connector of connectors) await connector.stop();
  connectors = [];
  await worker?.close();
  await cf?.close();
  await origin?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a preview that runs', () => {
  it("is unchanged: status, body, every cookie, and Access' headers about the visitor", async () => {
    const visit = await visitor.open(url('shop-pr', '/cart?x=1'), { headers: credentials() });
    expect([visit.status, visit.body]).toEqual([
      200,
      `hello from shop-pr.eph.localhost:${cf.edgePort}/cart?x=1`,
    ]);
    expect(visit.headers['set-cookie']).toEqual(['one=1; Path=/', 'two=2; Path=/']);
    const seen = origin.seen.at(-1);
    expect(seen?.headers['cf-access-jwt-assertion']).toBeDefined();
    expect(seen?.headers['x-forwarded-for']).toBe('127.0.0.1');
  });

  it('accepts bodies, and sends events as they come', async () => {
    const sent = await visitor.open(url('shop-pr', '/echo'), {
      method: 'POST',
      headers: credentials(),
      body: 'x'.repeat(100_000),
    });
    expect([sent.status, sent.body.length]).toEqual([201, 100_000]);
    const host = `shop-pr.eph.localhost:${cf.edgePort}`;
    const asking = request({ port: cf.edgePort, path: '/events', headers: { ...credentials(), host } }).end();
    const [events] = (await once(asking, 'response')) as [IncomingMessage];
    expect(String((await once(events, 'data'))[0])).toBe('data: first\n\n');
    asking.destroy();
  });

  it('keeps its WebSockets', async () => {
    const host = `shop-pr.eph.localhost:${cf.edgePort}`;
    const socket = new WebSocket(`ws://127.0.0.1:${cf.edgePort}/socket`, {
      headers: { host, ...credentials() },
    });
    const answer = await new Promise<string>((resolve, reject) => {
      socket.on('open', () => socket.send('hello'));
      socket.on('message', (data) => resolve(String(data)));
      socket.on('error', reject);
    });
    socket.close();
    expect(answer).toContain('hello');
  });
});

describe('a preview that does not answer', () => {
  it.each(['asleep-pr', 'starting-pr'])('%s shows the waiting page to a browser', async (name) => {
    const visit = await visitor.open(url(name), { headers: { ...credentials(), ...navigation } });
    expect(visit.status).toBe(503);
    expect(visit.headers['cache-control']).toBe('no-store');
    expect(visit.body).toContain('pull request');
    expect(visit.body).toContain('http-equiv="refresh"');
  });

  it('is a plain 503 with Retry-After for everything else', async () => {
    const script = await visitor.open(url('asleep-pr', '/app.js'), {
      headers: { ...credentials(), accept: '*/*' },
    });
    expect([script.status, script.headers['retry-after'], script.headers['content-type']]).toEqual([
      503,
      '5',
      'text/plain; charset=utf-8',
    ]);
  });

  it('shows nothing to a visitor who has not signed in', async () => {
    const visit = await visitor.open(url('asleep-pr'), { headers: navigation });
    expect(visit.status).toBe(302);
  });

  it('shows the tunnel’s error again where a route without a script removes the Worker', async () => {
    const { id } = cf.cloudflare.createRoute({ pattern: 'asleep-pr.eph.localhost/*' });
    expect((await visitor.open(url('asleep-pr'), { headers: credentials() })).status).toBe(530);
    cf.cloudflare.deleteRoute(id);
  });
});

describe('a host name of the Worker', () => {
  it('leads to the Worker without Access, and to nothing else', async () => {
    cf.cloudflare.putWorkerHost({ hostname: 'hooks.eph.localhost', service: 'eph-local' });
    const health = await visitor.open(url('hooks', '/health'));
    // This Worker has no settings except the suffix, and reports that.
    expect([health.status, health.body.includes('not set up')]).toEqual([500, true]);
  });
});
