import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ParameterStore } from '../../../infra/deploy/parameter-store.ts';
import { type Environment, readEnvFile } from '../../../infra/settings/env-file.ts';
import { type RunningGithub, startGithub } from '../../../local/github/start-github.ts';
import type { WireEntry } from '../../../local/wire-log.ts';

/** A GitHub, a settings file and an in-memory parameter store for the GitHub part of setup. */
export interface GithubAccounts {
  github: RunningGithub;
  envFile: string;
  parameters: ParameterStore;
  stored: Map<string, string>;
  wire: WireEntry[];
  /** The present settings, read again. */
  environment(): Promise<Environment>;
  settingsText(): Promise<string>;
  close(): Promise<void>;
}

export async function startGithubAccounts(): Promise<GithubAccounts> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-github-setup-'));
  const wire: WireEntry[] = [];
  const github = await startGithub({
    dataDir: join(folder, 'data'),
    strict: true,
    wireLog: { record: (entry) => void wire.push(entry), close: async () => undefined },
  });
  const stored = new Map<string, string>();
  const envFile = join(folder, 'settings.env');
  const given = {
    DEPLOYMENT_ID: 'team',
    PREVIEW_ZONE: 'acme.dev',
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  };
  return {
    github,
    envFile,
    stored,
    parameters: memoryParameters(stored),
    wire,
    environment: async () => readEnvFile(envFile, given),
    settingsText: () => readFile(envFile, 'utf8'),
    async close() {
      await github.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function memoryParameters(stored: Map<string, string>): ParameterStore {
  const put = async (name: string, value: string) => void stored.set(name, value);
  return {
    read: async (name) => stored.get(name),
    writeSecret: put,
    write: put,
    list: async (prefix) =>
      [...stored.keys()].filter((name) => name.startsWith(prefix)).map((name) => ({ name, changedAt: 0 })),
    remove: async (names) => names.forEach((name) => void stored.delete(name)),
  };
}

/**
 * Does what a person does in a browser, with forms only: opens the page that the terminal shows, presses its button,
 * confirms on GitHub as `as`, and follows GitHub back.
 */
export async function clickThrough(
  address: string,
  as: string,
  name?: string,
): Promise<{ status: number; location: string | null; text: string }> {
  const page = await (await fetch(address)).text();
  const offered = await submit(page, address, {});
  const confirmPage = await offered.text();
  if (offered.status !== 200) return { status: offered.status, location: null, text: confirmPage };
  const confirmed = await submit(confirmPage, offered.url, { as, ...(name ? { name } : {}) });
  const back = confirmed.headers.get('location');
  if (!back) return { status: confirmed.status, location: null, text: await confirmed.text() };
  const end = await fetch(back, { redirect: 'manual' });
  return { status: end.status, location: end.headers.get('location'), text: await end.text() };
}

/** Submits the first form of the page with its own fields, some replaced by these. */
export async function submit(page: string, base: string, fields: Record<string, string>): Promise<Response> {
  const action = unescaped(/<form[^>]* action="([^"]*)"/.exec(page)?.[1] ?? '');
  const own = [...page.matchAll(/<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, unescaped(value)] as const,
  );
  return fetch(new URL(action || base, base), {
    method: 'POST',
    body: new URLSearchParams({ ...Object.fromEntries(own), ...fields }),
    redirect: 'manual',
  });
}

export function unescaped(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

/** Installs an App as a person does on its page. */
export async function install(
  github: RunningGithub,
  slug: string,
  as: string,
  fields: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${github.url}/apps/${slug}/installations/new`, {
    method: 'POST',
    body: new URLSearchParams({ as, account: github.owner, selection: 'all', ...fields }),
  });
}
