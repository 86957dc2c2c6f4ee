import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parameterNames } from '../../../infra/settings/settings.ts';
import { type GithubAppSetup, setUpGithubApp } from '../../../scripts/setup/github-app.ts';
import { createFindBreaches } from '../../contracts/find-breaches.ts';
import { type ScriptedTerminal, scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { clickThrough, type GithubAccounts, install, startGithubAccounts } from './github-accounts.ts';

const names = parameterNames('team');

describe('setting up the GitHub App', () => {
  let accounts: GithubAccounts;

  beforeEach(async () => {
    accounts = await startGithubAccounts();
    await accounts.github.createRepository({ name: 'shop', files: { 'index.html': 'one\n' } });
  });
  afterEach(() => accounts.close());

  const setUp = async (terminal: ScriptedTerminal, more: Partial<GithubAppSetup> = {}) =>
    setUpGithubApp({
      terminal,
      environment: await accounts.environment(),
      envFile: accounts.envFile,
      parameters: accounts.parameters,
      patienceMs: 100,
      ...more,
    });
  const addressOn = (terminal: ScriptedTerminal): Promise<string> =>
    waitFor(() => /http:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(terminal.lines.join('\n'))?.[0]);
  const byClick = { GITHUB_APP: 'new', GITHUB_OWNER: 'acme' };

  it('makes it with a click, stores its secrets, writes its id down, and sees where it is installed', async () => {
    const terminal = scriptedTerminal(byClick);
    const done = setUp(terminal, { patienceMs: 10_000 });
    const end = await clickThrough(await addressOn(terminal), 'admin');
    expect(end.location).toBe(`${accounts.github.url}/apps/eph-team/installations/new`);
    expect((await install(accounts.github, 'eph-team', 'admin')).status).toBe(200);
    const identity = await done;

    expect(identity).toMatchObject({ name: 'Eph team', slug: 'eph-team', owner: { login: 'acme' } });
    expect((await accounts.settingsText()).trim().split('\n')).toEqual([
      `GITHUB_APP_ID=${identity.id}`,
      'GITHUB_APP_SLUG=eph-team',
      'GITHUB_OWNER=acme',
    ]);
    const app = accounts.github.github.apps.get('eph-team');
    expect(accounts.stored.get(names.githubAppKey)).toContain('BEGIN RSA PRIVATE KEY');
    expect(accounts.stored.get(names.webhookSecret)).toBe(app.webhookSecret);
    expect(app).toMatchObject({ public: false, hookUrl: 'https://eph-team-hooks.acme.dev/webhooks/github' });
    expect(terminal.lines).toContain('done: Installed on acme: acme/shop');
    // There is nothing to repair: the manifest has exactly the rights that the check wants.
    expect(terminal.lines.filter((line) => /^(warning|failed):/.test(line))).toEqual([]);
  });

  it('prints and logs nothing secret, and calls GitHub as its description requires', async () => {
    const terminal = scriptedTerminal(byClick);
    const done = setUp(terminal);
    await clickThrough(await addressOn(terminal), 'admin');
    await done;
    const [key = '', secret = ''] = [names.githubAppKey, names.webhookSecret].map((name) =>
      accounts.stored.get(name),
    );
    const said = terminal.lines.join('\n');
    expect(said).not.toContain(secret);
    expect(said).not.toContain(key.slice(60, 100));
    expect(await accounts.settingsText()).not.toContain(secret);
    const findBreaches = createFindBreaches();
    expect(accounts.wire.flatMap((entry) => findBreaches(entry))).toEqual([]);
    expect(accounts.wire.some(({ path }) => path.endsWith('/conversions'))).toBe(true);
  });

  it('keeps the App that works when it is run again', async () => {
    const terminal = scriptedTerminal(byClick);
    const done = setUp(terminal);
    await clickThrough(await addressOn(terminal), 'admin');
    const first = await done;
    const secrets = new Map(accounts.stored);
    const again = scriptedTerminal();
    expect(await setUp(again)).toEqual(first);
    expect(again.asked).toEqual([]);
    expect(accounts.stored).toEqual(secrets);
    expect(again.lines).toContain('done: Eph team of acme is there and works, and is kept.');
    // The App is not installed, so the output says where to install it.
    expect(again.lines.join('\n')).toContain('/apps/eph-team/installations/new');
  });

  it('uses a free name when the proposed one is taken', async () => {
    accounts.github.github.addAccount('eph-team', 'User');
    const terminal = scriptedTerminal(byClick);
    const done = setUp(terminal);
    const address = await addressOn(terminal);
    expect(await clickThrough(address, 'admin')).toMatchObject({
      status: 422,
      text: expect.stringContaining('Name has already been taken'),
    });
    await clickThrough(address, 'admin', 'Eph at Acme');
    expect(await done).toMatchObject({ slug: 'eph-at-acme' });
  });

  it('sends the owner of a personal App to their own settings', async () => {
    const terminal = scriptedTerminal({ GITHUB_APP: 'new', GITHUB_OWNER: ['nobody', 'writer'] });
    const done = setUp(terminal);
    const page = await (await fetch(await addressOn(terminal))).text();
    expect(page).toContain(`action="${accounts.github.url}/settings/apps/new?state=`);
    await clickThrough(await addressOn(terminal), 'writer');
    expect((await done).owner).toEqual({ login: 'writer', type: 'User' });
    expect(terminal.lines).toContain('✗ GitHub has no organisation or account nobody.');
  });

  it('refuses codes that do not come with its own state, and accepts one code once', async () => {
    const terminal = scriptedTerminal(byClick);
    const done = setUp(terminal);
    const address = await addressOn(terminal);
    const { origin } = new URL(address);
    const status = async (path: string, headers = {}) =>
      (await fetch(`${origin}${path}`, { headers, redirect: 'manual' })).status;
    expect(await status('/created?code=mine&state=guessed')).toBe(403);
    expect(await status('/created?code=mine')).toBe(403);
    expect(await status('/')).toBe(404);
    expect((await clickThrough(address, 'admin')).status).toBe(302);
    await done;
    await expect(fetch(origin)).rejects.toThrow();
  });

  it('asks again when the secrets cannot be stored, because GitHub shows them only once', async () => {
    let failures = 1;
    const parameters = {
      ...accounts.parameters,
      writeSecret: async (name: string, value: string) => {
        failures -= 1;
        if (failures >= 0) throw new Error('the session is over');
        await accounts.parameters.writeSecret(name, value);
      },
    };
    const terminal = scriptedTerminal({ ...byClick, 'Try to store them again': true });
    const done = setUp(terminal, { parameters });
    await clickThrough(await addressOn(terminal), 'admin');
    await done;
    expect(terminal.lines.join('\n')).toContain('its secrets could not be stored: the session is over');
    expect(accounts.stored.get(names.githubAppKey)).toContain('PRIVATE KEY');
  });

  it('says where to delete the App when its secrets are lost', async () => {
    const parameters = {
      ...accounts.parameters,
      writeSecret: () => Promise.reject(new Error('the session is over')),
    };
    const terminal = scriptedTerminal({ ...byClick, 'Try to store them again': false });
    const done = setUp(terminal, { parameters });
    const outcome = expect(done).rejects.toMatchObject({
      message: 'The secrets of the App Eph team are lost.',
      fix: `Delete the App at ${accounts.github.url}/organizations/acme/settings/apps/eph-team/advanced and run this again.`,
    });
    const end = await clickThrough(await addressOn(terminal), 'admin');
    expect(end.status).toBe(500);
    await outcome;
  });

  it('accepts an App that was made by hand and names every difference', async () => {
    const { github } = accounts.github;
    const { app } = github.state;
    app.permissions = {
      metadata: 'read',
      contents: 'write',
      pull_requests: 'read',
      checks: 'read',
      actions: 'read',
    };
    app.events = ['pull_request', 'push'];
    const file = join(accounts.envFile, '..', 'made-by-hand.pem');
    const garbage = join(accounts.envFile, '..', 'garbage.pem');
    await writeFile(file, accounts.github.app.privateKey);
    await writeFile(garbage, 'no key');
    const terminal = scriptedTerminal({
      GITHUB_APP: 'existing',
      GITHUB_APP_ID: ['Eph', String(app.id)],
      GITHUB_APP_KEY_FILE: [garbage, file],
      GITHUB_WEBHOOK_SECRET: app.webhookSecret,
    });
    await setUp(terminal);
    const problems = terminal.lines.filter((line) => /^(warning|failed): The App/.test(line));
    expect(problems).toEqual([
      'failed: The App lacks the permission Issues: read',
      'failed: The App lacks the permission Merge queues: read',
      'failed: The App lacks the permission Pull requests: write (it is read)',
      'failed: The App lacks the permission Commit statuses: write',
      'failed: The App lacks the permission Deployments: write',
      'failed: The App lacks the event repository',
      'failed: The App lacks the event merge_group',
      'warning: The App has the permission Contents: write (read is enough), which Eph does not use',
      'warning: The App has the permission Actions: read, which Eph does not use',
      'warning: The App has the event push, which Eph does not use',
    ]);
    expect(accounts.stored.get(names.webhookSecret)).toBe(app.webhookSecret);
    expect(terminal.lines.join('\n')).toContain(`rm ${file}`);
  });

  it('refuses a key of another App before anything is stored', async () => {
    const file = join(accounts.envFile, '..', 'other.pem');
    await writeFile(file, accounts.github.app.privateKey);
    const terminal = scriptedTerminal({
      GITHUB_APP: 'existing',
      GITHUB_APP_ID: '1',
      GITHUB_APP_KEY_FILE: file,
    });
    await expect(setUp(terminal)).rejects.toThrow('GitHub does not accept this key for the App 1.');
    expect(accounts.stored.size).toBe(0);
  });
});

async function waitFor<T>(read: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 500; tries += 1) {
    const value = read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came');
}
