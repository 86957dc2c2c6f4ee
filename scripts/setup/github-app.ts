import { randomUUID } from 'node:crypto';
import type { App } from '@octokit/app';
import type { ParameterStore } from '../../infra/deploy/parameter-store.ts';
import { openApp, openOctokit, statusOf } from '../../infra/github/app-client.ts';
import { type AppIdentity, appIdentity, installPage } from '../../infra/github/app-page.ts';
import { checkApp } from '../../infra/github/check-app.ts';
import { hostsOf } from '../../infra/settings/deploy-settings.ts';
import { type Environment, writeSetting } from '../../infra/settings/env-file.ts';
import { parameterNames } from '../../infra/settings/settings.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { readPrivateKey } from './read-private-key.ts';
import { type AppSecrets, registerApp } from './register-app.ts';

export interface GithubAppSetup {
  terminal: Terminal;
  /** The settings so far: the file's and the shell's. */
  environment: Environment;
  envFile: string;
  parameters: ParameterStore;
  /** How long to wait for a first installation; 10 minutes if left out. */
  patienceMs?: number;
  newId?(): string;
  now?(): number;
}

interface Target {
  deploymentId: string;
  webhookHost: string;
  homepage: string;
  githubUrl: string;
  apiUrl: string;
  names: ReturnType<typeof parameterNames>;
}

/**
 * The GitHub App of a deployment: keeps the one that works; otherwise makes one with a click (`registerApp`), or takes
 * over one that was made by hand. Ends when GitHub says that it is installed somewhere.
 */
export async function setUpGithubApp(setup: GithubAppSetup): Promise<AppIdentity> {
  const { terminal } = setup;
  terminal.heading('GitHub App');
  const target = targetOf(setup.environment);
  const kept = await existingApp(setup, target);
  const { app, identity } = kept ?? (await newApp(setup, target));
  await writeSetting(setup.envFile, 'GITHUB_APP_ID', String(identity.id));
  await writeSetting(setup.envFile, 'GITHUB_APP_SLUG', identity.slug);
  await writeSetting(setup.envFile, 'GITHUB_OWNER', identity.owner.login);
  if (!(await printRepositories(terminal, app))) await waitForInstallation(setup, app, identity);
  const stranger = new (openOctokit(target.apiUrl))();
  const now = setup.now ?? Date.now;
  const findings = await checkApp({ app, stranger, githubUrl: target.githubUrl, now });
  for (const { outcome, text, fix } of findings) if (outcome !== 'done') terminal.mark(outcome, text, fix);
  return identity;
}

function targetOf(environment: Environment): Target {
  const deploymentId = environment['DEPLOYMENT_ID'];
  const zone = environment['PREVIEW_ZONE'];
  if (!deploymentId || !zone) {
    throw new OperatorError(
      `${deploymentId ? 'PREVIEW_ZONE' : 'DEPLOYMENT_ID'} is not set, and the App's webhook address is made from it.`,
      'make setup asks for it before it comes to the App.',
    );
  }
  const { WEBHOOK_HOST, DASHBOARD_HOST } = hostsOf(deploymentId, zone, environment);
  return {
    deploymentId,
    webhookHost: WEBHOOK_HOST,
    homepage: `https://${DASHBOARD_HOST}`,
    githubUrl: environment['GITHUB_URL'] ?? 'https://github.com',
    apiUrl: environment['GITHUB_API_URL'] ?? 'https://api.github.com',
    names: parameterNames(deploymentId),
  };
}

interface OpenedApp {
  app: App;
  identity: AppIdentity;
}

/** The App of an earlier run, if GitHub accepts its key. */
async function existingApp(
  { terminal, environment, parameters }: GithubAppSetup,
  { apiUrl, names }: Target,
): Promise<OpenedApp | undefined> {
  const appId = environment['GITHUB_APP_ID'];
  const privateKey = appId && (await parameters.read(names.githubAppKey));
  if (!privateKey || !(await parameters.read(names.webhookSecret))) return undefined;
  const app = openApp({ appId, privateKey, apiUrl });
  const identity = await identify(app);
  if (!identity) {
    terminal.mark(
      'warning',
      `GitHub does not accept the stored key for the App ${appId}; it is set up anew.`,
    );
    return undefined;
  }
  terminal.mark('done', `${identity.name} of ${identity.owner.login} is there and works, and is kept.`);
  return { app, identity };
}

/** Undefined if GitHub does not accept this key for this id. */
async function identify(app: App): Promise<AppIdentity | undefined> {
  try {
    const { data } = await app.octokit.request('GET /app');
    return data ? appIdentity(data) : undefined;
  } catch (error) {
    if ([401, 404].includes(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}

async function newApp(setup: GithubAppSetup, target: Target): Promise<OpenedApp> {
  const { terminal, parameters } = setup;
  const how = await terminal.choose('The GitHub App through which Eph hears of pull requests', 'GITHUB_APP', [
    { label: 'Make one now, with one click', name: 'new', value: 'new' as const },
    { label: 'Use one that I have made', name: 'existing', value: 'existing' as const },
  ]);
  const { names, apiUrl } = target;
  let stored: AppSecrets | undefined;
  const store = async (secrets: AppSecrets) => {
    await parameters.writeSecret(names.githubAppKey, secrets.privateKey);
    await parameters.writeSecret(names.webhookSecret, secrets.webhookSecret);
    stored = secrets;
  };
  if (how === 'existing') return takeOver(setup, target, store);
  const owner = await askOwner(setup, apiUrl);
  // GitHub shows the secrets only once, so they must be stored: missing rights to Parameter Store show before the
  // click.
  await parameters.list(`${names.path}/`);
  const newId = setup.newId ?? randomUUID;
  const identity = await registerApp({ ...target, terminal, owner, store, newId });
  terminal.mark('done', `${identity.name} is made; its key and webhook secret are in Parameter Store.`);
  return { app: openApp({ appId: identity.id, privateKey: stored?.privateKey ?? '', apiUrl }), identity };
}

async function askOwner({ terminal, environment }: GithubAppSetup, apiUrl: string) {
  const octokit = new (openOctokit(apiUrl))();
  let type: 'User' | 'Organization' = 'Organization';
  const preset = environment['GITHUB_OWNER'];
  const login = await terminal.ask({
    name: 'GITHUB_OWNER',
    text: 'GitHub organisation (or account) that has the repositories, and gets the App',
    ...(preset ? { preset } : {}),
    async check(answer) {
      try {
        const { data } = await octokit.request('GET /users/{username}', { username: answer.trim() });
        type = data.type === 'User' ? 'User' : 'Organization';
        return undefined;
      } catch (error) {
        if (statusOf(error) === 404) return `GitHub has no organisation or account ${answer}.`;
        // A GitHub Enterprise Server may tell strangers nothing: then its page gives the answer.
        if ([401, 403].includes(statusOf(error) ?? 0)) return undefined;
        throw error;
      }
    },
  });
  return { login: login.trim(), type };
}

/** Uses an App that was made by hand: the check at the end reports every difference from what is needed. */
async function takeOver(
  { terminal, environment }: GithubAppSetup,
  { apiUrl }: Target,
  store: (secrets: AppSecrets) => Promise<void>,
): Promise<OpenedApp> {
  const preset = environment['GITHUB_APP_ID'];
  const appId = await terminal.ask({
    name: 'GITHUB_APP_ID',
    text: "The App's id, from its page on GitHub",
    ...(preset ? { preset } : {}),
    check: (answer) => (/^[1-9]\d*$/.test(answer) ? undefined : 'The App ID is a number.'),
  });
  const { privateKey, file } = await readPrivateKey(terminal, environment);
  const app = openApp({ appId, privateKey, apiUrl });
  const identity = await identify(app);
  if (!identity) {
    throw new OperatorError(
      `GitHub does not accept this key for the App ${appId}.`,
      "Generate a new key on the App's page, and compare the id there.",
    );
  }
  const webhookSecret = await terminal.askSecret({
    name: 'GITHUB_WEBHOOK_SECRET',
    text: "The App's webhook secret (of the same page)",
    check: (answer) => (answer.trim().length >= 16 ? undefined : 'It has 16 characters at least.'),
  });
  await store({ privateKey, webhookSecret: webhookSecret.trim() });
  terminal.mark('done', `${identity.name} is taken over; its key and webhook secret are in Parameter Store.`);
  if (file) terminal.mark('warning', `${file} is not needed any more.`, `rm ${file}`);
  return { app, identity };
}

const PATIENCE_MS = 10 * 60_000;
const PAUSE_MS = 3_000;

async function waitForInstallation(
  { terminal, patienceMs = PATIENCE_MS, now = Date.now }: GithubAppSetup,
  app: App,
  identity: AppIdentity,
): Promise<void> {
  const page = installPage(identity);
  terminal.print(`Install it on the repositories that are to have previews:\n\n  ${page}\n`);
  const until = now() + (terminal.interactive ? patienceMs : 0);
  await terminal.during('Waiting for the installation', async () => {
    while (now() < until && (await countInstallations(app)) === 0) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE_MS, patienceMs)));
    }
  });
  if (await printRepositories(terminal, app)) return;
  terminal.mark('warning', `${identity.name} is not installed yet; everything else can go on.`, page);
}

async function countInstallations(app: App): Promise<number> {
  return (await app.octokit.request('GET /app/installations', { per_page: 1 })).data.length;
}

const SHOWN = 10;

/** Prints what the App sees, a line for each account; false while it is installed nowhere. */
async function printRepositories(terminal: Terminal, app: App): Promise<boolean> {
  let installed = false;
  for await (const { installation, octokit } of app.eachInstallation.iterator()) {
    installed = true;
    const where = installation.account?.login ?? `account ${installation.target_id}`;
    if (installation.suspended_at) continue;
    const { data } = await octokit.request('GET /installation/repositories', { per_page: SHOWN });
    const names = data.repositories.map(({ full_name }) => full_name);
    const more = data.total_count > names.length ? ` and ${data.total_count - names.length} more` : '';
    const which = names.length > 0 ? `${names.join(', ')}${more}` : 'no repository yet';
    terminal.mark('done', `Installed on ${where}: ${which}`);
  }
  return installed;
}
