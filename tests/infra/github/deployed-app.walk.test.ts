import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Octokit } from '@octokit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applySteps } from '../../../infra/deploy/apply-steps.ts';
import { deploySteps } from '../../../infra/deploy/deploy-steps.ts';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { webhookUrlStep } from '../../../infra/deploy/webhook-url-step.ts';
import { checkDeployedApp } from '../../../infra/github/check-app.ts';
import { readEnvFile } from '../../../infra/settings/env-file.ts';
import { eventually } from '../../../local/eventually.ts';
import { appFarewell, githubDestroyStep } from '../../../scripts/destroy/github-destroy-steps.ts';
import { rotateAppKey } from '../../../scripts/rotate/app-key.ts';
import { rotateWebhookSecret } from '../../../scripts/rotate/webhook-secret.ts';
import { setUpGithubApp } from '../../../scripts/setup/github-app.ts';
import { createFindBreaches } from '../../contracts/find-breaches.ts';
import { createTestBranch } from '../../e2e/test-branch.ts';
import { type ScriptedTerminal, scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { type EmptyAccounts, startEmptyAccounts } from '../../scripts/deploy/empty-accounts.ts';
import { clickThrough, install } from './github-accounts.ts';

/** One App from its making to its end; each test continues where the one before ended. */
describe('the App of a deployment', () => {
  let accounts: EmptyAccounts;
  let folder: string;
  /** What setup has written, on top of the platform's settings. */
  let settings: Record<string, string>;
  let people: Octokit;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'eph-deployed-app-'));
    accounts = await startEmptyAccounts();
    const { github } = accounts.plane;
    people = new Octokit({ auth: github.tokens.writer, baseUrl: github.apiUrl });
    await github.createRepository({ name: 'shop', files: { 'compose.yaml': 'services: {}\n' } });
    // Only deliveries of the App that is made here must arrive.
    const placeholder = github.github.installations.get(github.installationId);
    github.github.installations.remove(placeholder, github.github.account('admin'));
  }, 120_000);
  afterAll(async () => {
    await accounts.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (terminal: ScriptedTerminal = scriptedTerminal()): Promise<Deployment> =>
    accounts.open(terminal, settings);
  const openPull = async (branch: string): Promise<number> => {
    const repository = { owner: 'acme', repo: 'shop' };
    const made = await createTestBranch(people, { TEST_GITHUB_REPO: 'acme/shop' }, branch);
    await made.commit(branch, { [`${branch}.html`]: branch });
    const { data } = await people.request('POST /repos/{owner}/{repo}/pulls', {
      ...repository,
      title: branch,
      head: branch,
      base: 'main',
    });
    return data.number;
  };
  const commented = (number: number): Promise<string> =>
    eventually(`a comment on #${number}`, 20, async () => {
      const { data } = await people.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        owner: 'acme',
        repo: 'shop',
        issue_number: number,
      });
      const [comment] = data;
      return comment ? { done: String(comment.user?.login) } : { seen: 'no comment' };
    });
  /** GitHub reports the installation before anything listens. */
  const refusedDeliveries = () =>
    accounts.plane.github.github.state.deliveries
      .filter(({ event }) => event !== 'installation')
      .filter(
        ({ app, outcome }) =>
          app.slug === settings['GITHUB_APP_SLUG'] && outcome && outcome.statusCode >= 300,
      )
      .map(({ event, outcome }) => `${event}: ${outcome?.statusCode} ${outcome?.body}`);

  it('is made in a browser, used by a deploy, and comments on the first pull request', async () => {
    const { github } = accounts.plane;
    const envFile = join(folder, 'settings.env');
    await writeFile(envFile, '');
    const terminal = scriptedTerminal({ GITHUB_APP: 'new', GITHUB_OWNER: 'acme' });
    const { parameters, names } = await accounts.open();
    // The state is that after an interrupted setup: the placeholder's key belongs to no App of this deployment.
    await parameters.remove([names.githubAppKey, names.webhookSecret]);
    const { GITHUB_APP_ID: _, ...environment } = accounts.plane.environment;
    const done = setUpGithubApp({ terminal, environment, envFile, parameters });
    const address = await eventually('the page', 5, async () => {
      const found = /http:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(terminal.lines.join('\n'))?.[0];
      return found ? { done: found } : { seen: terminal.lines.join('\n') };
    });
    expect((await clickThrough(address, 'admin')).status).toBe(302);
    const slug = `eph-${environment['DEPLOYMENT_ID']}`;
    await install(github, slug, 'admin');
    await done;
    settings = Object.fromEntries(
      Object.entries(await readEnvFile(envFile, {})).map(([name, value]) => [name, String(value)]),
    );

    const deployment = await open();
    expect(await webhookUrlStep(deployment).plan()).toEqual([
      expect.stringMatching(/^GitHub delivers to .*, no longer to https:\/\/eph-.*\/webhooks\/github\.$/),
    ]);
    await applySteps(deployment, deploySteps(deployment));
    expect(await webhookUrlStep(await open()).plan()).toEqual([]);
    expect(await commented(await openPull('first'))).toBe(`${slug}[bot]`);
    expect(refusedDeliveries()).toEqual([]);
  }, 120_000);

  it('passes the doctor’s checks, and does not when something is wrong', async () => {
    const well = await checkDeployedApp(await open());
    expect(well.filter(({ outcome }) => outcome !== 'done')).toEqual([]);
    expect(well.map(({ text }) => text).join('\n')).toContain('the newest delivery');

    const { github } = accounts.plane.github;
    const app = github.apps.get(settings['GITHUB_APP_SLUG'] ?? '');
    const installation = [...github.state.installations.values()].find((one) => one.app === app);
    if (!installation) throw new Error('it is not installed');
    const { hookUrl } = app;
    app.public = true;
    app.hookUrl = 'https://elsewhere.dev/webhooks/github';
    github.installations.suspend(installation, app.bot);
    const ahead = { ...(await open()), now: () => Date.now() + 120_000 };
    const problems = (await checkDeployedApp(ahead)).filter(({ outcome }) => outcome === 'failed');
    app.hookUrl = hookUrl;
    app.public = false;
    github.installations.unsuspend(installation, app.bot);
    expect(problems.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^The App is public: anybody may install it/),
      expect.stringMatching(/^This machine's clock is 1(19|20|21) s ahead of GitHub's/),
      expect.stringContaining('delivers to https://elsewhere.dev/webhooks/github instead of'),
      'Its installation on acme is suspended',
    ]);
    for (const { fix } of problems) expect(fix).toBeTruthy();
  });

  it('gets a new webhook secret without losing deliveries, and forgets the old one when asked', async () => {
    const { parameters, names } = await open();
    const old = await parameters.read(names.webhookSecret);
    await rotateWebhookSecret(await open(), { dropPrevious: false });
    const next = await parameters.read(names.webhookSecret);
    expect(next).not.toBe(old);
    const app = accounts.plane.github.github.apps.get(settings['GITHUB_APP_SLUG'] ?? '');
    expect(app.webhookSecret).toBe(next);
    expect(await commented(await openPull('rotated'))).toMatch(/\[bot\]$/);

    // Deliveries that are still on their way, signed with the old secret, are accepted until it is dropped.
    app.webhookSecret = String(old);
    expect(await commented(await openPull('under-way'))).toMatch(/\[bot\]$/);
    expect(refusedDeliveries()).toEqual([]);
    await rotateWebhookSecret(await open(), { dropPrevious: true });
    expect(app.webhookSecret).toBe(next);
    expect(await commented(await openPull('dropped'))).toMatch(/\[bot\]$/);
    expect(refusedDeliveries()).toEqual([]);
    app.webhookSecret = String(old);
    await openPull('too-late');
    await accounts.plane.github.deliveriesDone();
    expect(refusedDeliveries()).toContainEqual(expect.stringContaining('401'));
    app.webhookSecret = String(next);
  }, 60_000);

  it('signs with a secret that the Worker knows, also after an interrupted rotation', async () => {
    const app = accounts.plane.github.github.apps.get(settings['GITHUB_APP_SLUG'] ?? '');
    const before = app.webhookSecret;
    await rotateWebhookSecret(await open(), { dropPrevious: false });
    // The state is that after the last call to GitHub was lost: Worker and Parameter Store are one secret ahead.
    app.webhookSecret = before;

    const deployment = await open();
    const { worker } = deployment.tools;
    const signedWithKnown: boolean[] = [];
    const upload: typeof worker.upload = async (script, progress) => {
      await worker.upload(script, progress);
      signedWithKnown.push(Object.values(script.secrets).includes(app.webhookSecret));
    };
    const tools = { ...deployment.tools, worker: { ...worker, upload } };
    await rotateWebhookSecret({ ...deployment, tools }, { dropPrevious: false });
    expect(signedWithKnown).toEqual([true]);
    expect(app.webhookSecret).toBe(await deployment.parameters.read(deployment.names.webhookSecret));
  }, 60_000);

  it('gets a new key, which the functions use before the old one is deleted', async () => {
    const { parameters, names } = await open();
    const old = String(await parameters.read(names.githubAppKey));
    const slug = settings['GITHUB_APP_SLUG'];
    const page = `${accounts.plane.github.url}/settings/apps/${slug}/keys`;
    const as = () => ({ method: 'POST', body: new URLSearchParams({ as: 'admin' }) });
    const [file, foreign, same] = ['new.pem', 'foreign.pem', 'same.pem'].map((name) => join(folder, name));
    await writeFile(String(file), await (await fetch(page, as())).text());
    await writeFile(String(foreign), accounts.plane.github.app.privateKey);
    await writeFile(String(same), old);

    const answering = (path: string | undefined) => scriptedTerminal({ GITHUB_APP_KEY_FILE: String(path) });
    await expect(rotateAppKey(await open(answering(foreign)), {})).rejects.toThrow(
      'does not accept this key',
    );
    await expect(rotateAppKey(await open(answering(same)), {})).rejects.toThrow('in use already');
    expect(await parameters.read(names.githubAppKey)).toBe(old);
    const terminal = answering(file);
    await rotateAppKey(await open(terminal), {});
    expect(terminal.lines.join('\n')).toContain('Delete it at');
    await fetch(`${page}/0/delete`, as());
    expect(await commented(await openPull('new-key'))).toBe(`${slug}[bot]`);
  }, 60_000);

  it('loses its installations when the deployment is destroyed, and the operator is told to delete it by hand', async () => {
    const deployment = await open();
    const step = githubDestroyStep(deployment);
    expect(await step.list()).toEqual([`${settings['GITHUB_APP_SLUG']} on acme`]);
    expect(await appFarewell(deployment)).toContain(
      `/organizations/acme/settings/apps/${settings['GITHUB_APP_SLUG']}/advanced`,
    );

    const app = accounts.plane.github.github.apps.get(settings['GITHUB_APP_SLUG'] ?? '');
    const { hookUrl } = app;
    app.hookUrl = 'https://elsewhere.dev/webhooks/github';
    expect(await githubDestroyStep(await open()).list()).toEqual([]);
    app.hookUrl = hookUrl;

    await step.remove(() => undefined);
    expect(await step.list()).toEqual([]);
    await deployment.parameters.remove([deployment.names.githubAppKey]);
    expect(await githubDestroyStep(await open()).list()).toEqual([]);
    expect(await appFarewell(await open())).toBeUndefined();
  });

  it('was read and changed as GitHub’s description requires', () => {
    const findBreaches = createFindBreaches();
    const asked = accounts.wire.filter(({ peer }) => peer === 'github');
    expect(asked.filter(({ method, path }) => `${method} ${path}` === 'PATCH /app/hook/config')).not.toEqual(
      [],
    );
    expect(asked.flatMap((entry) => findBreaches(entry))).toEqual([]);
  });
});
