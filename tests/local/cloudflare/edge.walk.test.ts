import { once } from 'node:events';
import { request } from 'node:http';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { readInvocation } from '../../../local/cloudflare/cloudflared-options.ts';
import { type LocalCloudflare, startCloudflare } from '../../../local/cloudflare/start-cloudflare.ts';
import { createWireLog } from '../../../local/wire-log.ts';
import { type Connector, eventually, freePort, startConnector } from './connector.ts';
import { type Origin, startOrigin } from './origin.ts';
import { asBrowser, createVisitor, type Visitor } from './visitor.ts';

let cf: LocalCloudflare;
let origin: Origin;
let visitor: Visitor;
let tunnel: { id: string; token: string };
let connector: Connector;

const url = (name: string, path = '/'): string => `http://${name}.eph.localhost:${cf.edgePort}${path}`;
const credentials = (): Record<string, string> => ({
  'cf-access-client-id': cf.access.serviceToken.clientId,
  'cf-access-client-secret': cf.access.serviceToken.clientSecret,
});

/** Makes what the control plane makes for an environment: tunnel, its one rule with the Access check, the name. */
function createEnvironment(name: string, service: string): { id: string; token: string } {
  const { id, token } = cf.cloudflare.createTunnel({ name: `eph-${name}`, config_src: 'cloudflare' });
  const access = { required: true, teamName: cf.access.teamName, audTag: [cf.access.applicationAud] };
  cf.cloudflare.putConfiguration(id, { config: { ingress: [{ service, originRequest: { access } }] } });
  cf.cloudflare.createRecord({
    type: 'CNAME',
    name: `${name}.eph.localhost`,
    content: `${id}.cfargotunnel.com`,
    proxied: true,
    ttl: 1,
  });
  return { id, token };
}

/** A connection is not enough: until its configuration has arrived, cloudflared answers 503. */
function serves(id: string): boolean {
  const isCurrent =
    cf.cloudflare.connectorsOf(id)[0]?.configVersion === cf.cloudflare.getConfiguration(id).version;
  return cf.cloudflare.getTunnel(id).status === 'healthy' && isCurrent;
}

async function logIn(as: Visitor, address: string, email = cf.access.login.email): Promise<Visit> {
  const page = await as.browse(address);
  expect(page.body).toContain('One-time code');
  const fields = new URLSearchParams({ email, code: cf.access.login.code });
  const sent = await as.open(page.location.href, {
    method: 'POST',
    headers: { ...asBrowser, 'content-type': 'application/x-www-form-urlencoded' },
    body: fields.toString(),
  });
  return sent.status === 302 ? as.browse(sent.headers.location ?? '') : sent;
}
type Visit = Awaited<ReturnType<Visitor['open']>>;

beforeAll(async () => {
  origin = await startOrigin();
  cf = await startCloudflare({
    zone: 'eph.localhost',
    wireLog: createWireLog(),
  });
  tunnel = createEnvironment('shop-pr', `http://127.0.0.1:${origin.port}`);
  connector = await startConnector(cf.edgeUrl, tunnel.token);
  await eventually('the tunnel serves', () => serves(tunnel.id));
});

beforeEach(() => {
  visitor = createVisitor(cf.edgePort);
});

afterAll(async () => {
  await connector?.stop();
  await cf?.close();
  await origin?.close();
});

describe('names', () => {
  it('answers 530 with 1016 for a name without a record', async () => {
    const visit = await visitor.open(url('nobody-pr'));
    expect([visit.status, visit.body]).toEqual([530, 'error code: 1016']);
  });

  it('has no certificate for a name two labels below the zone', async () => {
    expect((await visitor.open(url('a.shop-pr'))).status).toBe(495);
  });
});

describe('Access', () => {
  it('sends a browser without a login to the team domain, and the origin gets no request', async () => {
    const before = origin.seen.length;
    const visit = await visitor.open(url('shop-pr', '/cart?x=1'), { headers: asBrowser });
    expect(visit.status).toBe(302);
    const location = new URL(visit.headers.location ?? '');
    expect(location.host).toBe(`team.eph.localhost:${cf.edgePort}`);
    expect(location.searchParams.get('kid')).toBe(cf.access.applicationAud);
    expect(location.searchParams.get('redirect_url')).toBe('/cart?x=1');
    expect(origin.seen).toHaveLength(before);
  });

  it('answers 401 to a script of a page whose session has expired, and 403 to a CORS preflight', async () => {
    const script = await visitor.open(url('shop-pr'), { headers: { 'x-requested-with': 'XMLHttpRequest' } });
    const preflight = await visitor.open(url('shop-pr'), {
      method: 'OPTIONS',
      headers: { origin: 'http://x.example', 'access-control-request-method': 'PUT' },
    });
    expect([script.status, preflight.status]).toEqual([401, 403]);
  });

  it('accepts a service token, without giving it a cookie', async () => {
    const visit = await visitor.open(url('shop-pr', '/a?b=c'), { headers: credentials() });
    expect([visit.status, visit.body]).toEqual([
      200,
      `hello from shop-pr.eph.localhost:${cf.edgePort}/a?b=c`,
    ]);
    expect(visit.headers['set-cookie']).toEqual(['one=1; Path=/', 'two=2; Path=/']);
  });

  it('answers 401 to a wrong service token and 403 to one that no policy allows', async () => {
    const wrong = await visitor.open(url('shop-pr'), {
      headers: { ...credentials(), 'cf-access-client-secret': 'cfast_wrong' },
    });
    const other = cf.cloudflare.createServiceToken({ name: 'somebody else' });
    const unknown = await visitor.open(url('shop-pr'), {
      headers: { 'cf-access-client-id': other.client_id, 'cf-access-client-secret': other.client_secret },
    });
    expect([wrong.status, unknown.status]).toEqual([401, 403]);
  });

  it('brings a person after the login to the page they wanted', async () => {
    const visit = await logIn(visitor, url('shop-pr', '/cart?x=1'));
    expect([visit.status, visit.location.pathname + visit.location.search]).toEqual([200, '/cart?x=1']);
    expect([...visitor.cookies('shop-pr.eph.localhost').keys()]).toEqual(
      expect.arrayContaining(['CF_Authorization', 'CF_Binding']),
    );
  });

  it('sets cookies for the one hostname only, out of reach of scripts', async () => {
    const page = await visitor.browse(url('shop-pr'));
    const sent = await visitor.open(page.location.href, {
      method: 'POST',
      body: new URLSearchParams({ ...cf.access.login }).toString(),
    });
    const back = await visitor.open(sent.headers.location ?? '');
    const cookie = back.headers['set-cookie']?.find((text) => text.startsWith('CF_Authorization=')) ?? '';
    expect(cookie).toMatch(/; Path=\/; Max-Age=28800; HttpOnly; SameSite=Lax$/);
  });

  it('gives the origin a token that verifies against the published keys, and keeps the binding cookie', async () => {
    await logIn(visitor, url('shop-pr'));
    await visitor.open(url('shop-pr', '/claims'), { headers: { 'cf-access-jwt-assertion': 'forged' } });
    const headers = origin.seen.at(-1)?.headers ?? {};
    const certs = JSON.parse((await visitor.open(cf.access.certsUrl)).body) as JSONWebKeySet;
    const { payload } = await jwtVerify(
      String(headers['cf-access-jwt-assertion']),
      createLocalJWKSet(certs),
      {
        issuer: cf.access.issuer,
        audience: cf.access.applicationAud,
      },
    );
    expect(payload['email']).toBe('dev@example.com');
    expect(headers.cookie).toContain('CF_Authorization=');
    expect(headers.cookie).not.toContain('CF_Binding');
  });

  it('refuses a wrong code, and a person whom no policy lets in', async () => {
    const stranger = createVisitor(cf.edgePort);
    expect((await logIn(stranger, url('shop-pr'), 'eve@elsewhere.example')).status).toBe(403);
    const page = await visitor.browse(url('shop-pr'));
    const wrong = await visitor.open(page.location.href, {
      method: 'POST',
      body: 'email=dev@example.com&code=nope',
    });
    expect([wrong.status, wrong.body.includes('not valid')]).toEqual([401, true]);
  });

  it('does not accept a login that another browser began', async () => {
    const page = await visitor.browse(url('shop-pr'));
    const sent = await visitor.open(page.location.href, {
      method: 'POST',
      body: new URLSearchParams({ ...cf.access.login }).toString(),
    });
    const victim = createVisitor(cf.edgePort);
    expect((await victim.open(sent.headers.location ?? '')).status).toBe(400);
  });

  it('does not accept the cookie of one host on another while binding is on', async () => {
    cf.cloudflare.createRecord({
      type: 'CNAME',
      name: 'api--shop-pr.eph.localhost',
      content: `${tunnel.id}.cfargotunnel.com`,
      proxied: true,
    });
    await logIn(visitor, url('shop-pr'));
    const stolen = [...visitor.cookies('shop-pr.eph.localhost')].map(([k, v]) => `${k}=${v}`).join('; ');
    const thief = createVisitor(cf.edgePort);
    const elsewhere = await thief.open(url('api--shop-pr'), { headers: { cookie: stolen } });
    const tokenAlone = stolen.replace(/CF_Binding=[^;]*/, '');
    const withoutBinding = await thief.open(url('shop-pr'), { headers: { cookie: tokenAlone } });
    expect([elsewhere.status, withoutBinding.status]).toEqual([302, 302]);
  });

  it("does not ask again on the next hostname: the team domain keeps the person's session", async () => {
    await logIn(visitor, url('shop-pr'));
    const visit = await visitor.browse(url('api--shop-pr', '/next'));
    expect(visit.body).toBe(`hello from api--shop-pr.eph.localhost:${cf.edgePort}/next`);
  });
});

describe('the tunnel', () => {
  it('adds the headers that Cloudflare adds and replaces what a visitor claims', async () => {
    await visitor.open(url('shop-pr', '/headers'), {
      headers: { ...credentials(), 'x-forwarded-for': '9.9.9.9', 'cf-connecting-ip': '9.9.9.9' },
    });
    expect(origin.seen.at(-1)?.headers).toMatchObject({
      host: `shop-pr.eph.localhost:${cf.edgePort}`,
      'cf-connecting-ip': '127.0.0.1',
      'x-forwarded-for': '9.9.9.9, 127.0.0.1',
      'x-forwarded-proto': 'http',
      'cf-ray': expect.stringMatching(/^[0-9a-f]{16}$/),
    });
  });

  it('carries a body of several megabytes there and back', async () => {
    const body = 'x'.repeat(5_000_000);
    const visit = await visitor.open(url('shop-pr'), { method: 'POST', headers: credentials(), body });
    expect([visit.status, visit.body.length]).toEqual([201, body.length]);
  });

  it('delivers a server-sent event while the response is still open', async () => {
    const outgoing = request({
      host: '127.0.0.1',
      port: cf.edgePort,
      path: '/events',
      headers: { host: `shop-pr.eph.localhost:${cf.edgePort}`, ...credentials() },
    }).end();
    const [incoming] = await once(outgoing, 'response');
    const [chunk] = await once(incoming.setEncoding('utf8'), 'data');
    expect(chunk).toBe('data: first\n\n');
    const before = origin.left();
    outgoing.destroy();
    await eventually('the origin hears that the reader has left', () => origin.left() === before + 1);
  });

  it('ends the request at the origin when a visitor leaves before the answer', async () => {
    const before = origin.left();
    const outgoing = request({
      host: '127.0.0.1',
      port: cf.edgePort,
      path: '/hang',
      headers: { host: `shop-pr.eph.localhost:${cf.edgePort}`, ...credentials() },
    });
    outgoing.on('error', () => undefined).end();
    await eventually('the origin has the request', () => origin.seen.at(-1)?.url === '/hang');
    outgoing.destroy();
    await eventually('the origin has heard', () => origin.left() === before + 1);
  });

  it('cuts a reply off where the origin cut it off', async () => {
    await expect(visitor.open(url('shop-pr', '/cut'), { headers: credentials() })).rejects.toThrow(/aborted/);
  });

  it('carries a WebSocket through Access, and refuses one without credentials', async () => {
    const address = `ws://127.0.0.1:${cf.edgePort}/socket`;
    const host = `shop-pr.eph.localhost:${cf.edgePort}`;
    const socket = new WebSocket(address, { headers: { host, ...credentials() } });
    await once(socket, 'open');
    socket.send('ping');
    const [data] = await once(socket, 'message');
    expect(String(data)).toBe('ping');
    socket.close();

    const refused = new WebSocket(address, { headers: { host } });
    const [error] = await once(refused, 'error');
    expect(String(error)).toContain('302');
  });

  it('serves its other names while one visitor does not read', async () => {
    const stalled = request({
      host: '127.0.0.1',
      port: cf.edgePort,
      method: 'POST',
      headers: { host: `shop-pr.eph.localhost:${cf.edgePort}`, ...credentials() },
    });
    stalled.on('error', () => undefined).end(Buffer.alloc(30_000_000));
    const [incoming] = await once(stalled, 'response');
    for (let i = 0; i < 20; i++) {
      expect((await visitor.open(url('shop-pr', `/${i}`), { headers: credentials() })).status).toBe(200);
    }
    incoming.destroy();
  });

  it('accepts a new configuration without a restart', async () => {
    const { id, token } = createEnvironment('live-pr', 'http_status:418');
    const other = await startConnector(cf.edgeUrl, token);
    const answers = async (status: number): Promise<boolean> =>
      (await visitor.open(url('live-pr'), { headers: credentials() })).status === status;
    await eventually('the first configuration is served', () => answers(418));
    cf.cloudflare.putConfiguration(id, { config: { ingress: [{ service: 'http_status:204' }] } });
    await eventually('the second is', () => answers(204));
    await eventually('all connections have it', () => serves(id));
    expect(await other.stop()).toBe(0);
    expect(cf.cloudflare.getTunnel(id).status).toBe('down');
  });

  it('lets cloudflared refuse a token for another audience with an empty 403', async () => {
    const { id, token } = createEnvironment('aud-pr', `http://127.0.0.1:${origin.port}`);
    const access = { required: true, teamName: cf.access.teamName, audTag: ['another'] };
    const service = `http://127.0.0.1:${origin.port}`;
    cf.cloudflare.putConfiguration(id, { config: { ingress: [{ service, originRequest: { access } }] } });
    const other = await startConnector(cf.edgeUrl, token);
    await eventually('it serves', () => serves(id));
    const visit = await visitor.open(url('aud-pr'), { headers: credentials() });
    expect([visit.status, visit.body]).toEqual([403, '']);
    await other.stop();
  });
});

describe('what is missing behind the edge', () => {
  it('answers 530 with 1033 while no connector serves the tunnel', async () => {
    createEnvironment('asleep-pr', 'http://127.0.0.1:9');
    const plain = await visitor.open(url('asleep-pr'), { headers: credentials() });
    const browser = await visitor.open(url('asleep-pr'), { headers: { ...credentials(), ...asBrowser } });
    expect([plain.status, plain.body]).toEqual([530, 'error code: 1033']);
    expect([browser.status, browser.body.includes('Error 1033')]).toEqual([530, true]);
  });

  it('answers 502 while nothing listens behind cloudflared', async () => {
    const { token, id } = createEnvironment('starting-pr', 'http://127.0.0.1:9');
    const other = await startConnector(cf.edgeUrl, token);
    await eventually('it serves', () => serves(id));
    const visit = await visitor.open(url('starting-pr'), { headers: credentials() });
    expect([visit.status, visit.body]).toEqual([502, 'error code: 502']);
    await other.stop();
  });
});

describe('cloudflared', () => {
  it('reports that it is ready, counts requests, and finishes open ones when it is stopped', async () => {
    const { token, id } = createEnvironment('ready-pr', `http://127.0.0.1:${origin.port}`);
    const port = await freePort();
    const other = await startConnector(cf.edgeUrl, token, '--metrics', `127.0.0.1:${port}`);
    await eventually('it serves', () => serves(id));
    const ready = await fetch(`http://127.0.0.1:${port}/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 200, readyConnections: 4, connectorId: cf.cloudflare.connectorsOf(id)[0]?.clientId },
    ]);
    const slow = visitor.open(url('ready-pr', '/slow'), { headers: credentials() });
    await eventually('the origin is at work', () => origin.seen.at(-1)?.url === '/slow');
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('cloudflared_tunnel_concurrent_requests_per_tunnel 1\n');
    const stopped = other.stop();
    await eventually('it takes no more requests', () => cf.cloudflare.getTunnel(id).status === 'down');
    expect([(await slow).body, await stopped]).toEqual(['done', 0]);
  });

  it('is missing at once for the edge when it is killed', async () => {
    const { token, id } = createEnvironment('killed-pr', `http://127.0.0.1:${origin.port}`);
    const other = await startConnector(cf.edgeUrl, token);
    await eventually('it serves', () => serves(id));
    other.process.kill('SIGKILL');
    await eventually('the edge has noticed', () => cf.cloudflare.getTunnel(id).status === 'down');
    expect((await visitor.open(url('killed-pr'), { headers: credentials() })).body).toBe('error code: 1033');
  });

  it.each([
    [['tunnel', 'run'], {}, 'mistake'],
    [['tunnel', 'run', '--token', 'nonsense'], {}, 'mistake'],
    [['tunnel', 'run', '--token-file', '/nowhere'], {}, 'mistake'],
    [['tunnel', '--edge-ip-version', '5', 'run'], {}, 'mistake'],
    [['access', 'login'], {}, 'mistake'],
    [['--version'], {}, 'version'],
  ])('reads %j with %j as a %s', (args, env, kind) => {
    expect(readInvocation(args, env).kind).toBe(kind);
  });

  it('prefers a token on the command line or in the environment to a file', () => {
    const file = ['--token-file', '/nowhere'];
    const seen = [
      readInvocation(['tunnel', 'run', ...file, '--token', tunnel.token], { TUNNEL_TOKEN: 'other' }),
      readInvocation(['tunnel', '--protocol', 'auto', 'run', ...file], { TUNNEL_TOKEN: tunnel.token }),
    ];
    for (const read of seen) expect(read).toMatchObject({ kind: 'run', tunnelId: tunnel.id, retries: 5 });
  });
});

describe('the end of a tunnel', () => {
  let other: Connector | undefined;
  afterEach(async () => {
    await other?.stop();
  });

  it('cannot be deleted while connected; a new secret locks the connector out, then it can', async () => {
    const { id, token } = createEnvironment('closing-pr', 'http_status:200');
    other = await startConnector(cf.edgeUrl, token);
    await eventually('it serves', () => serves(id));
    expect(() => cf.cloudflare.deleteTunnel(id)).toThrow('active connections');

    const secret = Buffer.alloc(32, 7).toString('base64');
    cf.cloudflare.editTunnel(id, { tunnel_secret: secret });
    expect(cf.cloudflare.getTunnel(id).status).toBe('healthy');
    cf.cloudflare.deleteConnections(id);
    await eventually('it was refused', () => other?.output().includes('Invalid tunnel secret') ?? false);
    expect(cf.cloudflare.deleteTunnel(id)).toHaveProperty('deleted_at');
    expect((await visitor.open(url('closing-pr'), { headers: credentials() })).body).toBe('error code: 1033');
  });

  it('ends with 1 when the first registration is refused', async () => {
    const { a, t } = JSON.parse(Buffer.from(tunnel.token, 'base64').toString());
    const forged = Buffer.from(JSON.stringify({ a, t, s: 'wrong' })).toString('base64');
    const refused = await startConnector(cf.edgeUrl, forged, '--retries', '0');
    const [code] = await once(refused.process, 'exit');
    expect([code, refused.output()]).toEqual([
      1,
      expect.stringContaining('Unauthorized: Invalid tunnel secret'),
    ]);
  });
});
