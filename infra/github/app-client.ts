import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import type { Deployment } from '../deploy/deployment.ts';
import { OperatorError } from '../terminal/operator-error.ts';

export interface AppCredentials {
  appId: string | number;
  /** PEM, as GitHub gives it out. */
  privateKey: string;
  apiUrl: string;
}

const nothing = () => undefined;
/** Octokit prints each refused request on the console, beside the sentence that the command prints. */
const quiet = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Connects as the App itself (`app.octokit`) or as one of its installations. No request is sent yet. */
export function openApp({ appId, privateKey, apiUrl }: AppCredentials): App {
  return new App({ appId, privateKey, Octokit: openOctokit(apiUrl) });
}

/** A client without credentials, for GitHub's public data. */
export function openOctokit(apiUrl: string): typeof Octokit {
  return Octokit.defaults({ baseUrl: apiUrl, userAgent: 'eph', log: quiet });
}

/** @throws OperatorError while the App's key is not in Parameter Store */
export async function deployedApp({ settings, parameters, names }: Deployment): Promise<App> {
  const privateKey = await parameters.read(names.githubAppKey);
  if (!privateKey) {
    throw new OperatorError(
      `The GitHub App's private key is not in Parameter Store (${names.githubAppKey}).`,
      'make setup makes the App with you and stores its key there.',
    );
  }
  return openApp({ appId: settings.GITHUB_APP_ID, privateKey, apiUrl: settings.GITHUB_API_URL });
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  return typeof error.status === 'number' ? error.status : undefined;
}
