import { randomUUID } from 'node:crypto';
import { APIError } from 'cloudflare';
import { Records } from 'cloudflare/resources/dns/records';
import { Routes } from 'cloudflare/resources/workers/routes';
import { Applications } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { Cloudflared } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/cloudflared';
import { Zones } from 'cloudflare/resources/zones/zones';
import { createClient } from 'cloudflare/tree-shakable';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi, RATE_LIMIT } from '../../../local/cloudflare/api.ts';
import { createCloudflare } from '../../../local/cloudflare/cloudflare.ts';
import { type LocalCloudflare, startCloudflare } from '../../../local/cloudflare/start-cloudflare.ts';
import { createOpenApiValidator } from '../../../local/openapi.ts';
import type { WireEntry } from '../../../local/wire-log.ts';
import description from '../../contracts/cloudflare-openapi.json' with { type: 'json' };

const entries: WireEntry[] = [];
const wireLog = { record: (entry: WireEntry) => void entries.push(entry), close: async () => undefined };
let cf: LocalCloudflare;
let client: ReturnType<typeof connect>;
let account_id: string;
let zone_id: string;

function connect(apiToken: string, maxRetries = 0) {
  return createClient({
    baseURL: cf.apiUrl,
    apiToken,
    maxRetries,
    resources: [Cloudflared, Records, Routes, Applications, Zones],
  });
}

/** Cloudflare's error, for a call that must fail. */
async function refusal(call: Promise<unknown>): Promise<{ status: number; code: number; message: string }> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof APIError)) throw new Error('the call was not refused by the API');
  const { code = 0, message = '' } = error.errors[0] ?? {};
  return { status: Number(error.status), code, message };
}

beforeAll(async () => {
  cf = await startCloudflare({
    zone: 'eph.localhost',
    wireLog,
    workers: { scripts: ['eph'], url: () => 'http://127.0.0.1:9' },
  });
  client = connect(cf.runtimeToken);
  account_id = cf.accountId;
  zone_id = cf.zoneId;
});

afterAll(() => cf?.close());

describe('tunnels', () => {
  const tunnels = () => client.zeroTrust.tunnels.cloudflared;

  it('makes a tunnel with a token that holds account, tunnel and secret', async () => {
    const tunnel = await tunnels().create({ account_id, name: 'eph-1', config_src: 'cloudflare' });
    expect(tunnel).toMatchObject({ name: 'eph-1', status: 'inactive', account_tag: account_id });
    const token = await tunnels().token.get(tunnel.id ?? '', { account_id });
    const decoded = JSON.parse(Buffer.from(token, 'base64').toString());
    expect(decoded).toMatchObject({ a: account_id, t: tunnel.id });
    expect(Buffer.from(decoded.s, 'base64')).toHaveLength(32);
  });

  it('refuses a second tunnel of that name with 409, until the first is deleted', async () => {
    const first = await tunnels().create({ account_id, name: 'eph-2' });
    expect(await refusal(tunnels().create({ account_id, name: 'eph-2' }))).toMatchObject({
      status: 409,
      code: 1013,
    });
    await tunnels().delete(first.id ?? '', { account_id });
    const second = await tunnels().create({ account_id, name: 'eph-2' });
    const all = await tunnels().list({ account_id, name: 'eph-2' });
    const living = await tunnels().list({ account_id, name: 'eph-2', is_deleted: false });
    expect(all.result.map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(living.result.map(({ id }) => id)).toEqual([second.id]);
  });

  it('lists the tunnels with a prefix page by page', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) await tunnels().create({ account_id, name });
    const names: (string | undefined)[] = [];
    for await (const tunnel of tunnels().list({ account_id, include_prefix: 'page-', per_page: 2 })) {
      names.push(tunnel.name);
    }
    expect(names).toEqual(['page-1', 'page-2', 'page-3']);
  });

  it('replaces the whole configuration, counts versions, and refuses rules cloudflared would refuse', async () => {
    const { id = '' } = await tunnels().create({ account_id, name: 'eph-3', config_src: 'cloudflare' });
    const put = (...ingress: { hostname: string; service: string }[]) =>
      tunnels().configurations.update(id, { account_id, config: { ingress } });
    const rule = { hostname: 'a.eph.localhost', service: 'http://localhost:8080' };
    expect(await refusal(put(rule))).toMatchObject({ status: 400, code: 1056 });
    const catchAll = { hostname: '', service: 'http_status:404' };
    expect((await put(rule, catchAll)).version).toBe(1);
    expect((await put(catchAll)).version).toBe(2);
    expect((await tunnels().configurations.get(id, { account_id })).config?.ingress).toEqual([catchAll]);
  });

  it('answers 404 for an unknown tunnel', async () => {
    expect(await refusal(tunnels().token.get(randomUUID(), { account_id }))).toMatchObject({ status: 404 });
  });
});

describe('DNS records', () => {
  const records = () => client.dns.records;
  const create = (name: string, comment = 'eph:local') =>
    records().create({
      zone_id,
      type: 'CNAME',
      name,
      content: 'x.cfargotunnel.com',
      proxied: true,
      ttl: 1,
      comment,
    });

  it('refuses a name that is taken, with the code of Cloudflare', async () => {
    await create('taken-pr.eph.localhost');
    expect(await refusal(create('taken-pr.eph.localhost'))).toMatchObject({ status: 400, code: 81053 });
  });

  it('finds records by type, name and comment in the forms the official client sends', async () => {
    await create('found-pr.eph.localhost', 'eph:other env=7');
    const query = { name: { exact: 'found-pr.eph.localhost' }, comment: { startswith: 'eph:other' } };
    const found = await records().list({ zone_id, type: 'CNAME', ...query });
    expect(found.result.map(({ name }) => name)).toEqual(['found-pr.eph.localhost']);
    const none = await records().list({ zone_id, ...query, comment: { startswith: 'eph:local' } });
    expect(none.result).toEqual([]);
    expect(entries.some((entry) => 'comment.startswith' in entry.query)).toBe(true);
  });

  it('deletes a record once', async () => {
    const { id } = await create('gone-pr.eph.localhost');
    expect(await records().delete(id, { zone_id })).toEqual({ id });
    expect(await refusal(records().delete(id, { zone_id }))).toMatchObject({ status: 404, code: 81044 });
  });
});

describe('Worker routes', () => {
  it('accepts a route with a script and one without, but neither twice', async () => {
    const { routes } = connect(cf.apiToken).workers;
    await routes.create({ zone_id, pattern: '*-pr.eph.localhost/*', script: 'eph' });
    const off = await routes.create({ zone_id, pattern: 'up-pr.eph.localhost/*' });
    expect(off.script).toBeUndefined();
    const again = routes.create({ zone_id, pattern: 'up-pr.eph.localhost/*' });
    expect(await refusal(again)).toMatchObject({ status: 409, code: 10020 });
    const unknown = routes.create({ zone_id, pattern: 'b-pr.eph.localhost/*', script: 'nobody' });
    expect(await refusal(unknown)).toMatchObject({ status: 404, code: 10007 });
    expect((await routes.list({ zone_id })).result).toHaveLength(2);
  });
});

describe('tokens', () => {
  it('refuses the runtime token the calls of a deploy', async () => {
    const apps = (token: string) => connect(token).zeroTrust.access.applications.list({ account_id });
    expect(await refusal(apps(cf.runtimeToken))).toMatchObject({ status: 403, code: 10000 });
    expect((await apps(cf.apiToken)).result.map((app) => 'aud' in app && app.aud)).toContain(
      cf.access.applicationAud,
    );
    expect(await refusal(apps('made-up'))).toMatchObject({ status: 403, code: 9109 });
  });

  it('lets a token look its zone up by name', async () => {
    const { result } = await client.zones.list({ name: 'eph.localhost' });
    expect(result).toMatchObject([{ id: zone_id, account: { id: account_id }, status: 'active' }]);
  });

  it("verifies an account's token at the account's address, not at the user's", async () => {
    const verify = async (path: string): Promise<number> =>
      (await fetch(`${cf.apiUrl}${path}`, { headers: { authorization: `Bearer ${cf.runtimeToken}` } }))
        .status;
    const answers = [
      await verify(`/accounts/${account_id}/tokens/verify`),
      await verify('/user/tokens/verify'),
    ];
    expect(answers).toEqual([200, 401]);
  });
});

describe('the wire', () => {
  it("refuses a body that differs from Cloudflare's description", async () => {
    const problem = await refusal(client.post(`/accounts/${account_id}/cfd_tunnel`, { body: { name: 7 } }));
    expect(problem).toMatchObject({ status: 400, message: expect.stringContaining('/name') });
  });

  it('fails on request, with or without the effect', async () => {
    const create = (name: string) => client.zeroTrust.tunnels.cloudflared.create({ account_id, name });
    cf.faults.failNext('createTunnel', { status: 503, code: 10000, message: 'try again' });
    expect(await refusal(create('fault-1'))).toMatchObject({ status: 503 });
    cf.faults.failNext('createTunnel', { status: 504, code: 10000, message: 'lost', afterEffect: true });
    expect(await refusal(create('fault-2'))).toMatchObject({ status: 504 });
    expect(cf.cloudflare.listTunnels({ include_prefix: 'fault-' }).items.map(({ name }) => name)).toEqual([
      'fault-2',
    ]);
  });

  it('logs requests by the path in the description', () => {
    const validator = createOpenApiValidator(description);
    const unknown = entries
      .filter((entry) => entry.peer === 'cloudflare')
      .filter((entry) => validator.operation(entry.method, entry.path) === undefined);
    expect(unknown).toEqual([]);
  });

  it('answers 429 from the 1,201st call until five minutes are over', async () => {
    let time = 1_000_000;
    const { machine } = createCloudflare({ zone: 'eph.localhost', now: () => time, newId: randomUUID });
    const validator = createOpenApiValidator(description);
    const api = createApi({ machine, validator, wireLog, now: () => time });
    const call = () => api.request('/client/v4/zones', { headers: { authorization: 'Bearer unknown' } });
    for (let i = 0; i < RATE_LIMIT; i++) await call();
    time += 60_000;
    const limited = await call();
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '240']);
    time += 240_000;
    expect((await call()).status).toBe(403);
  });
});
