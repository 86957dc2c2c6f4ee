import { openOctokit, statusOf } from '../../infra/github/app-client.ts';
import { appManifest } from '../../infra/github/app-manifest.ts';
import { type AppIdentity, appIdentity, appSettingsPage, installPage } from '../../infra/github/app-page.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { receiveCode } from './receive-code.ts';

export interface Registration {
  terminal: Terminal;
  deploymentId: string;
  webhookHost: string;
  homepage: string;
  githubUrl: string;
  apiUrl: string;
  owner: { login: string; type: 'User' | 'Organization' };
  /** Stores the secrets, before anything else is done. */
  store(secrets: AppSecrets): Promise<void>;
  /** Random and unguessable. */
  newId(): string;
  limitMs?: number;
}

export interface AppSecrets {
  privateKey: string;
  webhookSecret: string;
}

/** GitHub's code is valid for an hour; the limit is half of that, so that a code that arrives is never too old. */
const LIMIT_MS = 30 * 60_000;

/**
 * The manifest flow: a page here and one click on GitHub make the App with all its settings. Its secrets go from
 * GitHub's answer to `store`; they are written neither to the disk nor to the terminal.
 * https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
 *
 * @throws OperatorError when nobody clicks, and when the secrets cannot be stored: GitHub shows them only once
 */
export async function registerApp(registration: Registration): Promise<AppIdentity> {
  const { terminal, owner, githubUrl } = registration;
  const whose = owner.type === 'Organization' ? `/organizations/${owner.login}` : '';
  const receiver = await receiveCode({
    manifest: (redirectUrl) => appManifest({ ...registration, redirectUrl }),
    action: (state) => `${githubUrl}${whose}/settings/apps/new?state=${encodeURIComponent(state)}`,
    newId: registration.newId,
    limitMs: registration.limitMs ?? LIMIT_MS,
  });
  try {
    const { address, port } = receiver;
    terminal.print(
      `Open this page in a browser that is signed in to ${new URL(githubUrl).host} as ${ownerWords(owner)}:`,
    );
    terminal.print(`\n  ${address}\n`);
    terminal.print(
      `Is this machine somewhere else? Then first, where the browser is: ssh -L ${port}:127.0.0.1:${port} <this machine>`,
    );
    const { code, finish } = await terminal.during('Waiting for the App', () => receiver.code);
    try {
      const app = await convert(registration, code);
      finish({ goTo: installPage(app) });
      return app;
    } catch (error) {
      finish({ problem: 'The terminal says why.' });
      throw error;
    }
  } finally {
    await receiver.close();
  }
}

async function convert(registration: Registration, code: string): Promise<AppIdentity> {
  const { terminal, apiUrl, githubUrl, store } = registration;
  const data = await conversion(apiUrl, code);
  const app = appIdentity(data);
  if (!data.webhook_secret) throw new Error(`GitHub made the App ${app.name} without a webhook secret.`);
  const secrets = { privateKey: data.pem, webhookSecret: data.webhook_secret };
  for (;;) {
    try {
      await store(secrets);
      return app;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      terminal.mark('failed', `The App ${app.name} is made, but its secrets could not be stored: ${why}`);
      if (await terminal.confirm('GitHub tells them only once. Try to store them again?', false)) continue;
      throw new OperatorError(
        `The secrets of the App ${app.name} are lost.`,
        `Delete the App at ${appSettingsPage(githubUrl, app)}/advanced and run this again.`,
      );
    }
  }
}

async function conversion(apiUrl: string, code: string) {
  const octokit = new (openOctokit(apiUrl))();
  try {
    const { data } = await octokit.request('POST /app-manifests/{code}/conversions', { code });
    if (data) return data;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  throw new OperatorError(
    'GitHub does not know the code that the browser came back with: it is good for one use within an hour.',
    'Delete the App on GitHub if it is there, and run this again.',
  );
}

function ownerWords({ login, type }: Registration['owner']): string {
  return type === 'User' ? login : `an owner of ${login}`;
}
