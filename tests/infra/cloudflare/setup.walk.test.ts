import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cloudflareClient } from '../../../infra/cloudflare/cloudflare-account.ts';
import { deployPermissions, runtimePermissions } from '../../../infra/cloudflare/permissions.ts';
import { probePermissions } from '../../../infra/cloudflare/probe-permissions.ts';
import { verifyToken } from '../../../infra/cloudflare/verify-token.ts';
import { type Environment, readEnvFile } from '../../../infra/settings/env-file.ts';
import { setUpCloudflareToken } from '../../../scripts/setup/cloudflare-token.ts';
import { tokenPages } from '../../../scripts/setup/cloudflare-token-page.ts';
import { setUpSignIn } from '../../../scripts/setup/sign-in.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { startAccount, type TestAccount } from './start-account.ts';

let account: TestAccount;
let folder: string;
let envFile: string;

const deployToken = '/eph/test/deploy/cloudflare-token';
const runtimeToken = '/eph/test/cloudflare-token';

async function start(options: Parameters<typeof startAccount>[0] = {}): Promise<void> {
  account = await startAccount(options);
}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-setup-'));
  envFile = join(folder, '.env');
});
afterEach(async () => {
  const breaches = account.breaches();
  await account.close();
  await rm(folder, { recursive: true, force: true });
  expect(breaches).toEqual([]);
});

async function run(
  part: typeof setUpCloudflareToken,
  answers: Record<string, string | string[]> = {},
  more: Environment = {},
  home = '000000000000/us-east-1',
) {
  const terminal = scriptedTerminal(answers);
  const environment = await readEnvFile(envFile, {
    DEPLOYMENT_ID: 'test',
    CLOUDFLARE_API_URL: account.cf.apiUrl,
    ...more,
  });
  const { parameters } = account;
  const end = part({ terminal, environment, envFile, parameters, home: async () => home });
  return {
    terminal,
    problem: await end.then(
      () => undefined,
      (error: Error) => error,
    ),
    text: () => terminal.lines.join('\n'),
  };
}
const settings = async () => readEnvFile(envFile, {});

describe('the Cloudflare token', () => {
  test('leads to zone, account and team in .env, and two tokens in Parameter Store', async () => {
    await start();
    const { problem, terminal } = await run(setUpCloudflareToken, {
      CLOUDFLARE_API_TOKEN: account.cf.apiToken,
    });
    expect(problem).toBeUndefined();
    expect(await settings()).toEqual({
      PREVIEW_ZONE: 'eph.test',
      PREVIEW_ZONE_ID: account.cf.zoneId,
      CLOUDFLARE_ACCOUNT_ID: account.cf.accountId,
      ACCESS_TEAM: 'team',
    });
    expect([...account.parameters.encrypted].toSorted()).toEqual([runtimeToken, deployToken].toSorted());
    expect(account.parameters.values.get(deployToken)).toBe(account.cf.apiToken);
    expect(terminal.lines.join('\n')).not.toContain(account.cf.apiToken);
    expect(await readFile(envFile, 'utf8')).not.toContain('cfat_');
  });

  test('makes a token for the functions that can do what they need and nothing of Access or Workers', async () => {
    await start();
    await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: account.cf.apiToken });
    const client = cloudflareClient(account.cf.apiUrl, account.parameters.values.get(runtimeToken) ?? '');
    const scope = { client, accountId: account.cf.accountId, zoneId: account.cf.zoneId };
    expect(await probePermissions(scope, runtimePermissions)).toEqual([]);
    expect((await probePermissions(scope, deployPermissions)).map(({ label }) => label)).toEqual([
      'Workers Scripts: Edit',
      'Access: Apps and Policies: Edit',
      'Access: Service Tokens: Edit',
      'Access: Organizations, Identity Providers, and Groups: Edit',
      'Workers Routes: Edit',
    ]);
  });

  test('is not asked for again, and both tokens stay', async () => {
    await start();
    await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: account.cf.apiToken });
    const before = new Map(account.parameters.values);
    account.writes();
    const { problem, terminal } = await run(setUpCloudflareToken);
    expect(problem).toBeUndefined();
    expect(terminal.asked).toEqual([]);
    expect(account.parameters.values).toEqual(before);
    expect(account.writes()).toEqual([]);
  });

  test('makes a new token for the functions when theirs is lost, and revokes the lost one', async () => {
    await start();
    await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: account.cf.apiToken });
    account.parameters.values.delete(runtimeToken);
    await run(setUpCloudflareToken);
    const names = account.cf.cloudflare.listTokens('account', {}).items.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('eph-test runtime'))).toHaveLength(1);
    expect(account.parameters.values.get(runtimeToken)).toMatch(/^cfat_/);
  });

  test('keeps the token of a deployment of the same name in another AWS account or region', async () => {
    await start();
    await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: account.cf.apiToken });
    const theirs = account.parameters.values.get(runtimeToken) ?? '';
    account.parameters.values.clear();
    const given = { CLOUDFLARE_API_TOKEN: account.cf.apiToken };
    await run(setUpCloudflareToken, given, {}, '000000000000/eu-central-1');
    const verified = await verifyToken(cloudflareClient(account.cf.apiUrl, theirs), account.cf.accountId);
    expect(verified?.status).toBe('active');
    expect(account.parameters.values.get(runtimeToken)).not.toBe(theirs);
  });

  test('may belong to a person, which Cloudflare verifies at another address', async () => {
    await start();
    const value = account.cf.cloudflare.issueToken(
      'mine',
      [...deployPermissions.map(({ group }) => group as 'DNS Write'), 'API Tokens Write'],
      { owner: 'user' },
    );
    const { problem } = await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: value });
    expect(problem).toBeUndefined();
    expect(account.parameters.values.get(runtimeToken)).toMatch(/^cfut_/);
  });

  test('may have Cloudflare’s newer, narrower permissions, and passes those on', async () => {
    await start();
    const groups = deployPermissions.flatMap(({ group, newerGroups }) =>
      newerGroups.length > 0 ? newerGroups : [group],
    );
    const names = [...groups, 'Account API Tokens Write'].map((group) => group as 'DNS Write');
    const value = account.cf.cloudflare.issueToken('newer', names);
    const { problem } = await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: value });
    expect(problem).toBeUndefined();
    const client = cloudflareClient(account.cf.apiUrl, account.parameters.values.get(runtimeToken) ?? '');
    const scope = { client, accountId: account.cf.accountId, zoneId: account.cf.zoneId };
    expect(await probePermissions(scope, runtimePermissions)).toEqual([]);
  });

  test('is refused if it may make applications but no policies, and both are named', async () => {
    await start();
    const groups = deployPermissions.map(({ group }) =>
      group === 'Access: Apps and Policies Write' ? 'Access: Apps Write' : group,
    );
    const value = account.cf.cloudflare.issueToken(
      'apps only',
      groups.map((group) => group as 'DNS Write'),
    );
    const { text } = await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: value });
    expect(text()).toContain(
      'lacks "Access: Apps and Policies: Edit" (or "Access: Apps: Edit" and "Access: Policies: Edit")',
    );
  });

  test('leads to a question for a second token, which is checked, if it may not make tokens', async () => {
    await start();
    const { cloudflare, runtimeToken: pasted } = account.cf;
    const value = cloudflare.issueToken(
      'no minting',
      deployPermissions.map(({ group }) => group as 'DNS Write'),
    );
    const tooLittle = cloudflare.issueToken('too little', ['DNS Write', 'Zone Read']);
    const { problem, text } = await run(setUpCloudflareToken, {
      CLOUDFLARE_API_TOKEN: value,
      CLOUDFLARE_RUNTIME_TOKEN: [tooLittle, pasted],
    });
    expect(problem).toBeUndefined();
    expect(text()).toContain(
      'The token lacks "Cloudflare Tunnel: Edit" (or "Cloudflare One Connector: cloudflared: Edit").',
    );
    expect(account.parameters.values.get(runtimeToken)).toBe(pasted);
  });

  test('is asked for again with the reason if it is unknown, disabled or expired', async () => {
    await start();
    const { cloudflare } = account.cf;
    const disabled = cloudflare.issueToken('disabled', ['Zone Read']);
    cloudflare.disableToken(disabled);
    const over = cloudflare.issueToken('over', ['Zone Read'], { expires_on: '2020-01-01T00:00:00Z' });
    const { problem, text } = await run(
      setUpCloudflareToken,
      { CLOUDFLARE_API_TOKEN: ['made-up', disabled, over, account.cf.apiToken] },
      { CLOUDFLARE_ACCOUNT_ID: account.cf.accountId },
    );
    expect(problem).toBeUndefined();
    expect(text()).toContain('Cloudflare does not know this token');
    expect(text()).toContain('The token is disabled.');
    expect(text()).toContain('The token is expired.');
  });

  test('is refused with both possible reasons while no account id is known: it is unknown, or may not read zones', async () => {
    await start();
    const blind = account.cf.cloudflare.issueToken('blind', ['DNS Write']);
    const { problem, text } = await run(setUpCloudflareToken, {
      CLOUDFLARE_API_TOKEN: ['made-up', blind, account.cf.apiToken],
    });
    expect(problem).toBeUndefined();
    expect(text().match(/or the token sees no zone: it needs "Zone: Read"/g)).toHaveLength(2);
  });

  test('is refused with all missing permissions by name, and nothing is stored', async () => {
    await start();
    const value = account.cf.cloudflare.issueToken('too little', [
      'Zone Read',
      'DNS Write',
      'Cloudflare Tunnel Write',
    ]);
    const { problem, text } = await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: value });
    expect(problem?.message).toBe('The Cloudflare token lacks 5 permissions.');
    expect(text()).toContain('The token lacks "Workers Scripts: Edit" (account)');
    expect(account.parameters.values.size).toBe(0);
  });
});

describe('setup warns of problems', () => {
  const token = () => ({ CLOUDFLARE_API_TOKEN: account.cf.apiToken });

  test('it names the name servers to set for a zone that is not active', async () => {
    await start({ zoneStatus: 'pending' });
    expect((await run(setUpCloudflareToken, token())).text()).toContain('The zone eph.test is "pending"');
  });

  test('it warns of few DNS records left, and of names that already end like a preview’s', async () => {
    await start();
    for (let i = 0; i < 185; i++) {
      account.cf.cloudflare.createRecord({ type: 'A', name: `n${i}`, content: '192.0.2.1' });
    }
    account.cf.cloudflare.createRecord({ type: 'A', name: 'old-pr.eph.test', content: '192.0.2.1' });
    const { text } = await run(setUpCloudflareToken, token());
    expect(text()).toContain('warning: eph.test (Free Website) has 186 of at most 200 DNS records');
    expect(text()).toContain('would be behind its sign-in: old-pr.eph.test.');
    expect(text()).toContain('100,000 requests a day');
  });

  test('it warns of a host name too deep for the free certificate', async () => {
    await start();
    await run(setUpCloudflareToken, token());
    const { text } = await run(setUpCloudflareToken, token(), { PREVIEW_SUFFIX: '-pr.apps.eph.test' });
    expect(text()).toContain('covers one label before eph.test only');
  });

  test('it says what to click while nobody has switched on Zero Trust', async () => {
    await start({ zeroTrust: false });
    const { problem } = await run(setUpCloudflareToken, token());
    expect(problem?.message).toContain('Zero Trust is not switched on');
    expect(problem).toMatchObject({ fix: expect.stringContaining('one.dash.cloudflare.com') });
  });

  test('it lists every permission in words beside the prefilled page', async () => {
    await start();
    const { text } = await run(setUpCloudflareToken, token());
    for (const { label, purpose } of deployPermissions) {
      expect(text()).toContain(label);
      expect(text()).toContain(purpose);
    }
    const address = new URL(tokenPages('test').ofAccount);
    expect(address.searchParams.get('to')).toBe('/:account/api-tokens');
    const keys = JSON.parse(address.searchParams.get('permissionGroupKeys') ?? '[]');
    expect(keys).toContainEqual({ key: 'workers_scripts', type: 'edit' });
  });
});

describe('sign-in', () => {
  beforeEach(async () => {
    await start();
    await run(setUpCloudflareToken, { CLOUDFLARE_API_TOKEN: account.cf.apiToken });
  });
  const providers = () => account.cf.cloudflare.listIdentityProviders({}).items.map(({ type }) => type);

  test('offers a code by mail at once, and asks once', async () => {
    const first = await run(setUpSignIn, { ACCESS_ALLOW: ['everybody', '@acme.dev, ada@acme.dev'] });
    expect(first.problem).toBeUndefined();
    expect(first.text()).toContain('"everybody" is none of');
    expect((await settings())['ACCESS_ALLOW']).toBe('@acme.dev,ada@acme.dev');
    expect(providers()).toEqual(['onetimepin']);
    const again = await run(setUpSignIn);
    expect(again.terminal.asked).toEqual([]);
    expect(providers()).toEqual(['onetimepin']);
  });

  test('leads through the steps for GitHub, and keeps the secret at Cloudflare only', async () => {
    const secret = 'f'.repeat(40);
    const { problem, text } = await run(
      setUpSignIn,
      {
        ACCESS_ALLOW: 'github:acme',
        GITHUB_OAUTH_CLIENT_ID: 'Ov23liABCDEFGHIJ',
        GITHUB_OAUTH_CLIENT_SECRET: secret,
      },
      { GITHUB_OWNER: 'acme' },
    );
    expect(problem).toBeUndefined();
    expect(text()).toContain('https://team.eph.test/cdn-cgi/access/callback');
    expect(text()).toContain('https://github.com/organizations/acme/settings/applications/new');
    expect(text()).not.toContain(secret);
    expect(providers()).toEqual(['onetimepin', 'github']);
    expect(await readFile(envFile, 'utf8')).not.toContain(secret);
    expect((await run(setUpSignIn)).terminal.asked).toEqual([]);
  });
});
