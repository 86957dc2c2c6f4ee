import type { App } from '@octokit/app';
import type { Octokit } from '@octokit/core';
import type { Deployment } from '../deploy/deployment.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Outcome } from '../terminal/terminal.ts';
import { deployedApp, openOctokit, statusOf } from './app-client.ts';
import { type AppIdentity, appIdentity, appSettingsPage, installPage } from './app-page.ts';
import { compareApp } from './compare-app.ts';

/** A finding in the form that `terminal.mark` takes. */
export interface AppFinding {
  outcome: Outcome;
  text: string;
  fix?: string;
}

export interface AppCheck {
  app: App;
  /** A client without credentials. */
  stranger: Octokit;
  githubUrl: string;
  /** The expected owner; undefined if that is not to be checked. */
  owner?: string;
  /** The expected address; undefined if that is not to be checked yet. */
  webhookUrl?: string | undefined;
  now(): number;
}

/** GitHub refuses tokens from more than a minute in the future; less than half of that is safe. */
const MAX_SKEW_MS = 30_000;

/** Compares the deployment's App with what GitHub has, and reports each problem in a line. */
export async function checkDeployedApp(deployment: Deployment): Promise<AppFinding[]> {
  const { settings, tools, now } = deployment;
  try {
    const app = await deployedApp(deployment);
    const webhookUrl = tools.worker.webhookUrl(settings.WEBHOOK_HOST);
    const { GITHUB_URL: githubUrl, GITHUB_OWNER: owner } = settings;
    const stranger = new (openOctokit(settings.GITHUB_API_URL))();
    return await checkApp({ app, stranger, githubUrl, owner, webhookUrl, now });
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [failed(error.message, error.fix ?? 'make setup')];
  }
}

export async function checkApp(check: AppCheck): Promise<AppFinding[]> {
  const { app, now } = check;
  try {
    const { data, headers } = await app.octokit.request('GET /app');
    if (!data) return [failed('GitHub names no App for this key.', 'make setup')];
    const identity = appIdentity(data);
    return [
      {
        outcome: 'done',
        text: `GitHub App ${identity.name} of ${identity.owner.login}: its key is accepted`,
      },
      ...ownerFindings(check.owner, identity),
      ...(await audienceFindings(check, identity)),
      ...skewFindings(headers.date, now()),
      ...rightsFindings(data, check, identity),
      ...(await webhookFindings(check, identity)),
      ...(await installationFindings(app, identity)),
    ];
  } catch (error) {
    return [refusal(error)];
  }
}

function refusal(error: unknown): AppFinding {
  const message = error instanceof Error ? error.message : String(error);
  const status = statusOf(error);
  if (status === 401 && /'(Issued at|Expiration time)'/.test(message)) {
    return failed(
      `GitHub refuses the App's token because of its time: ${message}`,
      "Set this machine's clock right (timedatectl set-ntp true).",
    );
  }
  if (status === 401 || status === 404) {
    return failed(
      `GitHub does not accept the App's key: ${message}`,
      'make rotate WHAT=app-key stores a new one; GITHUB_APP_ID in the settings must be of the same App.',
    );
  }
  return failed(`GitHub could not be asked about the App: ${message}`, 'Run this again in a minute.');
}

function ownerFindings(owner: string | undefined, { name, owner: real }: AppIdentity): AppFinding[] {
  if (owner === undefined || owner.toLowerCase() === real.login.toLowerCase()) return [];
  return [
    warning(
      `GITHUB_OWNER is ${owner}, but the App ${name} belongs to ${real.login}.`,
      `GITHUB_OWNER=${real.login} in the settings.`,
    ),
  ];
}

/**
 * `GET /app` does not say whether an App is private; it is private if a stranger cannot see it.
 * https://docs.github.com/en/rest/apps/apps#get-an-app
 */
async function audienceFindings(
  { stranger, githubUrl }: AppCheck,
  identity: AppIdentity,
): Promise<AppFinding[]> {
  try {
    await stranger.request('GET /apps/{app_slug}', { app_slug: identity.slug });
  } catch (error) {
    if (statusOf(error) === 404) return [{ outcome: 'done', text: 'Only its owner may install it' }];
    const message = error instanceof Error ? error.message : String(error);
    return [
      warning(
        `Whether the App is private is not known: GitHub answers a stranger with "${message}"`,
        'Run this again in an hour; GitHub lets strangers ask 60 times an hour.',
      ),
    ];
  }
  return [
    failed(
      'The App is public: anybody may install it on repositories of theirs, and an eph.yaml there gets machines in your AWS account',
      `Make it private at ${appSettingsPage(githubUrl, identity)}/advanced. GitHub does so once it is installed on no other account.`,
    ),
  ];
}

function skewFindings(date: string | undefined, now: number): AppFinding[] {
  const skew = now - Date.parse(date ?? '');
  if (Number.isNaN(skew) || Math.abs(skew) <= MAX_SKEW_MS) return [];
  const seconds = Math.round(Math.abs(skew) / 1000);
  return [
    failed(
      `This machine's clock is ${seconds} s ${skew > 0 ? 'ahead of' : 'behind'} GitHub's; signatures carry the time.`,
      'timedatectl set-ntp true, or set the clock.',
    ),
  ];
}

function rightsFindings(
  has: { permissions: Record<string, string | undefined>; events: string[] },
  { githubUrl }: AppCheck,
  identity: AppIdentity,
): AppFinding[] {
  const { missing, needless } = compareApp(has);
  const page = `${appSettingsPage(githubUrl, identity)}/permissions`;
  if (missing.length === 0 && needless.length === 0) {
    return [{ outcome: 'done', text: 'Its permissions and events are the ones that are needed' }];
  }
  return [
    ...missing.map((what) =>
      failed(`The App lacks ${what}`, `Add it at ${page}; each owner is then asked to agree.`),
    ),
    ...needless.map((what) =>
      warning(`The App has ${what}, which Eph does not use`, `Take it away at ${page}`),
    ),
  ];
}

async function webhookFindings(
  { app, webhookUrl, githubUrl }: AppCheck,
  identity: AppIdentity,
): Promise<AppFinding[]> {
  if (!webhookUrl) return [];
  const hook = await readHook(app);
  const page = appSettingsPage(githubUrl, identity);
  if (!hook?.url)
    return [failed('The App has no webhook, so nothing is ever built', `Make it active at ${page}`)];
  if (hook.url !== webhookUrl) {
    return [failed(`The App delivers to ${hook.url} instead of ${webhookUrl}`, 'make deploy sets it.')];
  }
  if (hook.content_type !== 'json') {
    return [
      failed(`The App delivers as ${hook.content_type}, not json`, `Change the content type at ${page}`),
    ];
  }
  const { data } = await app.octokit.request('GET /app/hook/deliveries', { per_page: 1 });
  const newest = data[0];
  const to = `It delivers to ${webhookUrl}`;
  if (!newest) return [{ outcome: 'done', text: `${to}; nothing was delivered yet` }];
  if (newest.status_code >= 200 && newest.status_code < 300) {
    return [{ outcome: 'done', text: `${to}; the newest delivery (${newest.event}) arrived` }];
  }
  return [
    warning(
      `${to}, but the newest delivery (${newest.event}, ${newest.delivered_at}) was answered "${newest.status}"`,
      `${page}/advanced shows the answer and can send it again; the sweep does so by itself, within 15 minutes at first.`,
    ),
  ];
}

/** Undefined if GitHub has no webhook for this App. */
export async function readHook(
  app: App,
): Promise<{ url?: string; content_type?: string; insecure_ssl?: string | number } | undefined> {
  try {
    return (await app.octokit.request('GET /app/hook/config')).data;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

async function installationFindings(app: App, identity: AppIdentity): Promise<AppFinding[]> {
  const findings: AppFinding[] = [];
  for await (const { installation } of app.eachInstallation.iterator()) {
    const { account, suspended_at, html_url } = installation;
    const where = account?.login ?? `account ${installation.target_id}`;
    const { missing } = compareApp(installation);
    if (suspended_at) {
      findings.push(failed(`Its installation on ${where} is suspended`, `Unsuspend it at ${html_url}`));
    } else if (missing.length > 0) {
      findings.push(
        failed(
          `Its installation on ${where} lacks ${missing.join(', ')}`,
          `An owner of ${where} accepts the new permissions at ${html_url}`,
        ),
      );
    } else {
      const which =
        installation.repository_selection === 'all' ? 'all repositories' : 'selected repositories';
      findings.push({ outcome: 'done', text: `Installed on ${where}, ${which}` });
    }
  }
  if (findings.length > 0) return findings;
  return [warning('It is not installed anywhere yet', `Install it at ${installPage(identity)}`)];
}

function failed(text: string, fix: string): AppFinding {
  return { outcome: 'failed', text, fix };
}

function warning(text: string, fix: string): AppFinding {
  return { outcome: 'warning', text, fix };
}
