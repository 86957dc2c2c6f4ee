import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseServiceToken } from '../../../infra/cloudflare/ensure-service-token.ts';
import { accessStep } from '../../../infra/deploy/access-step.ts';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { routeStep } from '../../../infra/deploy/route-step.ts';
import { webhookHostStep } from '../../../infra/deploy/webhook-host-step.ts';
import { cloudflareDestroySteps } from '../../../scripts/destroy/cloudflare-destroy-steps.ts';
import { startAccount, type TestAccount } from './start-account.ts';

let account: TestAccount;
const nobody = () => undefined;
const steps = [accessStep, routeStep, webhookHostStep];

beforeEach(async () => {
  account = await startAccount();
  account.cf.cloudflare.uploadScript('eph-test');
});
afterEach(async () => {
  const breaches = account.breaches();
  await account.close();
  expect(breaches).toEqual([]);
});

async function deploy(settings?: Record<string, string>): Promise<Deployment> {
  const deployment = await account.open(settings);
  for (const step of steps) await step(deployment).apply(nobody);
  return deployment;
}
async function plan(settings?: Record<string, string>): Promise<string[]> {
  const deployment = await account.open(settings);
  const sentences = await Promise.all(steps.map((step) => step(deployment).plan()));
  return sentences.flat();
}
const applications = () => account.cf.cloudflare.listApplications({}).items;
const policies = () => account.cf.cloudflare.listPolicies({}).items;

describe('a deploy', () => {
  test('lists in a plan what it would make, and makes nothing', async () => {
    const sentences = await plan();
    expect(sentences).toContain('The Access application "eph-test previews" is made for *-pr.eph.test.');
    expect(sentences).toContain('The route *-pr.eph.test/* is made, to the Worker eph-test.');
    expect(sentences).toContain('The host name eph-test-hooks.eph.test is attached to the Worker eph-test.');
    expect(account.writes()).toEqual([]);
  });

  test('changes nothing when it is run twice, and a plan has nothing to list', async () => {
    const first = await deploy();
    account.writes();
    expect(await plan()).toEqual([]);
    const second = await deploy();
    expect(account.writes()).toEqual([]);
    expect(second.found.accessAudience).toBe(first.found.accessAudience);
    expect(first.found.accessAudience).toBe(account.cf.access.applicationAud);
  });

  test('gives a plan the audience once the application exists', async () => {
    const { found } = await deploy();
    const later = await account.open();
    await accessStep(later).plan();
    expect(later.found.accessAudience).toBe(found.accessAudience);
  });

  test('puts one application in front of all previews, with its cookie bound and a short session', async () => {
    await deploy();
    const previews = applications().find(({ name }) => name === 'eph-test previews');
    expect(previews).toMatchObject({
      domain: '*-pr.eph.test',
      session_duration: '8h',
      enable_binding_cookie: true,
      http_only_cookie_attribute: true,
      app_launcher_visible: false,
      auto_redirect_to_identity: true,
    });
    expect(previews?.policies.map(({ name }) => name)).toEqual(['eph-test programs', 'eph-test people']);
    const dashboard = applications().find(({ name }) => name === 'eph-test dashboard');
    expect(dashboard?.policies.map(({ name }) => name)).toEqual(['eph-test people']);
    expect(dashboard?.aud).not.toBe(previews?.aud);
  });

  test('lets in the people whom ACCESS_ALLOW names, and follows when it changes', async () => {
    await deploy();
    const people = () => policies().find(({ name }) => name === 'eph-test people')?.include;
    expect(people()).toEqual([
      { email: { email: 'dev@example.com' } },
      { email_domain: { domain: 'acme.dev' } },
    ]);
    expect(await plan({ ACCESS_ALLOW: '@acme.dev' })).toEqual([
      'The policy "eph-test people" is changed: who is let in.',
    ]);
    const audience = account.cf.access.applicationAud;
    await deploy({ ACCESS_ALLOW: '@acme.dev' });
    expect(people()).toEqual([{ email_domain: { domain: 'acme.dev' } }]);
    expect(account.cf.access.applicationAud).toBe(audience);
  });

  test('offers GitHub beside the code by mail if an organisation or team is named', async () => {
    await expect(deploy({ ACCESS_ALLOW: 'github:acme/web' })).rejects.toThrow(
      'not set up in Cloudflare Access',
    );
    const github = account.cf.cloudflare.createIdentityProvider({
      name: 'GitHub',
      type: 'github',
      config: { client_id: 'a', client_secret: 'b' },
    });
    await deploy({ ACCESS_ALLOW: 'github:acme/web' });
    const rule = { identity_provider_id: github.id, name: 'acme', team: 'web' };
    expect(policies().find(({ name }) => name === 'eph-test people')?.include).toEqual([
      { 'github-organization': rule },
    ]);
    await deploy({ ACCESS_ALLOW: 'github:acme' });
    expect(policies().find(({ name }) => name === 'eph-test people')?.include).toEqual([
      { 'github-organization': { identity_provider_id: github.id, name: 'acme' } },
    ]);
    const previews = applications().find(({ name }) => name === 'eph-test previews');
    expect(previews?.allowed_idps).toHaveLength(2);
    expect(previews?.auto_redirect_to_identity).toBe(false);
  });

  test('keeps what a person has added by hand when it writes', async () => {
    await deploy();
    const previews = applications().find(({ name }) => name === 'eph-test previews');
    const people = policies().find(({ name }) => name === 'eph-test people');
    const { policies: links, ...rest } = previews ?? { policies: [] };
    account.cf.cloudflare.updateApplication(previews?.id ?? '', {
      ...rest,
      type: 'self_hosted',
      domain: '*-pr.eph.test',
      options_preflight_bypass: true,
      policies: links.map(({ id }) => id),
    });
    account.cf.cloudflare.updatePolicy(people?.id ?? '', {
      name: 'eph-test people',
      decision: 'allow',
      include: people?.include ?? [],
      exclude: [{ email: { email: 'mallory@acme.dev' } }],
    });
    expect(await plan()).toEqual([]);
    await deploy({ ACCESS_ALLOW: '@acme.dev', ACCESS_SESSION: '2h' });
    const after = applications().find(({ name }) => name === 'eph-test previews');
    expect(after).toMatchObject({ options_preflight_bypass: true, session_duration: '2h' });
    expect(policies().find(({ name }) => name === 'eph-test people')?.exclude).toEqual([
      { email: { email: 'mallory@acme.dev' } },
    ]);
  });
});

describe('the service token', () => {
  const stored = () => parseServiceToken(account.parameters.values.get('/eph/test/deploy/service-token'));

  test('is stored encrypted as soon as it is made', async () => {
    await deploy();
    expect(stored()).toEqual(account.cf.access.serviceToken);
    expect(account.parameters.encrypted).toContain('/eph/test/deploy/service-token');
  });

  test('gets a new secret when the stored one is lost', async () => {
    await deploy();
    const before = stored();
    account.parameters.values.delete('/eph/test/deploy/service-token');
    expect(await plan()).toEqual([
      'The service token "eph-test programs" gets a new secret: the one it has is not kept anywhere.',
    ]);
    await deploy();
    expect(stored()?.id).toBe(before?.id);
    expect(stored()?.clientSecret).not.toBe(before?.clientSecret);
    expect(stored()).toEqual(account.cf.access.serviceToken);
  });

  test('is found again when its creation was interrupted before it was stored', async () => {
    const deployment = await account.open();
    const parameters = { ...account.parameters, writeSecret: () => Promise.reject(new Error('interrupted')) };
    await expect(accessStep({ ...deployment, parameters }).apply(nobody)).rejects.toThrow('interrupted');
    await deploy();
    expect(account.cf.cloudflare.listServiceTokens({}).items).toHaveLength(1);
    expect(stored()).toEqual(account.cf.access.serviceToken);
  });
});

describe('a deploy leaves other people’s things alone', () => {
  test('it refuses another application on the previews’ domain and names it', async () => {
    account.cf.cloudflare.createApplication({
      type: 'self_hosted',
      name: 'intranet',
      domain: '*-pr.eph.test',
    });
    await expect(plan()).rejects.toThrow('The Access application "intranet" is already for *-pr.eph.test');
    await expect(deploy()).rejects.toThrow('intranet');
    expect(applications().map(({ name }) => name)).toEqual(['intranet']);
  });

  test('it refuses a route of the same pattern to another Worker', async () => {
    account.cf.cloudflare.uploadScript('shop');
    account.cf.cloudflare.createRoute({ pattern: '*-pr.eph.test/*', script: 'shop' });
    await expect(deploy()).rejects.toThrow('leads to the Worker shop');
    expect(account.cf.cloudflare.listRoutes()).toMatchObject([{ script: 'shop' }]);
  });

  test('it refuses a DNS record on the webhook’s host', async () => {
    account.cf.cloudflare.createRecord({ type: 'A', name: 'eph-test-hooks.eph.test', content: '192.0.2.1' });
    await expect(deploy()).rejects.toThrow('belongs to a DNS record (A)');
    expect(account.cf.cloudflare.listWorkerHosts({})).toEqual([]);
  });

  test('it refuses a host name of another Worker', async () => {
    account.cf.cloudflare.uploadScript('shop');
    account.cf.cloudflare.putWorkerHost({ hostname: 'eph-test-hooks.eph.test', service: 'shop' });
    await expect(deploy()).rejects.toThrow('belongs to the Worker shop');
  });
});

test('it names a permission that the token lacks, and what it is for', async () => {
  const CLOUDFLARE_API_TOKEN = account.cf.cloudflare.issueToken('too little', [
    'Access: Organizations, Identity Providers, and Groups Write',
    'Access: Service Tokens Write',
  ]);
  await expect(deploy({ CLOUDFLARE_API_TOKEN })).rejects.toThrow(
    /it lacks "Access: Apps and Policies: Edit" .*\(account\), which is for who may open previews/,
  );
});

describe('destroy', () => {
  const listAll = async (deployment: Deployment) =>
    (await Promise.all(cloudflareDestroySteps(deployment).map((step) => step.list()))).flat();

  test('removes everything with the mark in an order that Cloudflare accepts, and nothing else', async () => {
    const deployment = await deploy();
    const { cloudflare } = account.cf;
    cloudflare.uploadScript('eph-test-2');
    cloudflare.createPolicy({ name: 'eph-test-2 people', decision: 'allow', include: [{ everyone: {} }] });
    cloudflare.createApplication({ type: 'self_hosted', name: 'intranet', domain: 'intranet.eph.test' });
    const { id } = cloudflare.createTunnel({ name: 'eph-test-7-42-1', config_src: 'cloudflare' });
    cloudflare.createTunnel({ name: 'eph-test-2-7-42-1', config_src: 'cloudflare' });
    const record = { type: 'CNAME', content: `${id}.cfargotunnel.com`, proxied: true, ttl: 1 };
    cloudflare.createRecord({ ...record, name: 'shop-pr.eph.test', comment: 'eph:test:7#42' });
    cloudflare.createRecord({ ...record, name: 'other-pr.eph.test', comment: 'eph:test-2:7#42' });

    expect(await listAll(deployment)).toEqual([
      '*-pr.eph.test/*',
      'eph-test-hooks.eph.test',
      'eph-test',
      'shop-pr.eph.test',
      `of 7#42 (${id})`,
      'eph-test previews',
      'eph-test dashboard',
      'eph-test people',
      'eph-test programs',
      'eph-test programs',
    ]);
    for (const step of cloudflareDestroySteps(deployment)) await step.remove(nobody);
    expect(await listAll(deployment)).toEqual([]);
    for (const step of cloudflareDestroySteps(deployment)) await step.remove(nobody);

    expect(applications().map(({ name }) => name)).toEqual(['intranet']);
    expect(policies().map(({ name }) => name)).toEqual(['eph-test-2 people']);
    expect(cloudflare.listScripts().map((script) => script.id)).toEqual(['eph-test-2']);
    expect(cloudflare.listTunnels({ is_deleted: 'false' }).items.map(({ name }) => name)).toEqual([
      'eph-test-2-7-42-1',
    ]);
    expect(cloudflare.listRecords({}).items.map(({ name }) => name)).toEqual(['other-pr.eph.test']);
  });

  test('throws rather than return a partial list', async () => {
    const deployment = await deploy();
    account.cf.faults.failNext('listRoutes', { status: 403, code: 10_000, message: 'Authentication error' });
    await expect(cloudflareDestroySteps(deployment)[0]?.list()).rejects.toThrow(
      'lacks "Workers Routes: Edit"',
    );
  });
});
