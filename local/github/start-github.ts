import { mkdir, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
import { createWireLog, type WireLog } from '../wire-log.ts';
import { createApi } from './api.ts';
import { createAppSite } from './app-site.ts';
import { createArchives } from './archives.ts';
import type { Faults } from './faults.ts';
import { createGitHttp } from './git-http.ts';
import { createGitStore } from './git-store.ts';
import { createGithub, type Github } from './github.ts';
import { createGithubValidator } from './github-description.ts';
import { GithubError } from './github-error.ts';
import type { Account, Repository, Role } from './github-state.ts';
import { createPages } from './pages.ts';
import type { RateLimitSettings } from './rate-limits.ts';
import { createWebhookSender, type WebhookFaults } from './webhook-sender.ts';

/**
 * GitHub on this machine, on one port:
 *
 *   <url>/api/v3/...                REST (Octokit: `baseUrl: apiUrl`), <url>/api/graphql for drafts
 *   <url>/<owner>/<repo>.git        git over HTTP, Basic auth with any token as password
 *   <url>/<owner>/<repo>/pull/<n>   the page people see; <url>/<owner>/<repo> lists them
 *   <url>/settings/apps/new         a new App from a manifest (POST); <url>/apps/<slug>/installations/new installs it
 *   <url>/_codeload/...             archives, temporary signed addresses
 *
 * It starts with an organisation (`acme`), its members `admin`, `writer` and `reader`, who have that role on
 * all of its repositories, `outsider`, who has none, and the App installed on all of `acme`'s repositories.
 *
 * Lifecycle: everything except git objects is in memory; `<dataDir>/repositories` is emptied at the start. `close`
 * stops the servers, interrupts deliveries that are being sent and keeps the folder.
 */
export interface StartGithubOptions {
  dataDir: string;
  /** Epoch milliseconds. */
  now?: () => number;
  newId?: () => string;
  /** The address for the App's webhooks; it may be set later. Without one there are no deliveries at all. */
  hookUrl?: string;
  wireLog?: WireLog;
  /** The port; 0 or undefined means any free port. */
  port?: number;
  /** Further addresses to listen on, same port, e.g. the hosts' bridge. */
  alsoListenOn?: readonly string[];
  /** Base of clone and archive addresses; by default the first of `alsoListenOn`, else loopback. */
  publicUrl?: string;
  limits?: Partial<RateLimitSettings>;
  /** The platform's zone: webhooks below it count as reachable from the Internet, although it ends in .localhost. */
  publicZone?: string;
  /** A reply that breaks GitHub's description is answered with 500 instead of printed. */
  strict?: boolean;
}

export type Person = 'admin' | 'writer' | 'reader' | 'outsider';

export interface RunningGithub {
  url: string;
  /** For Octokit's `baseUrl`. */
  apiUrl: string;
  github: Github;
  /** Login of the organisation that has the App. */
  owner: string;
  tokens: Record<Person, string>;
  app: {
    id: number;
    clientId: string;
    privateKey: string;
    webhookSecret: string;
    slug: string;
    botLogin: string;
  };
  installationId: number;
  setHookUrl(url: string | undefined): void;
  createRepository(wanted: {
    name: string;
    private?: boolean;
    /** First commit on `main`, path -> text; a repository without a commit if left out. */
    files?: Record<string, string>;
  }): Promise<{ id: number; owner: string; name: string; cloneUrl: string; sha: string | undefined }>;
  faults: { api: Faults; webhooks: WebhookFaults };
  /** Resolves when no delivery is being sent. */
  deliveriesDone(): Promise<void>;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const roles: Record<Exclude<Person, 'outsider'>, Role> = { admin: 'admin', writer: 'write', reader: 'read' };

export async function startGithub(options: StartGithubOptions): Promise<RunningGithub> {
  const now = options.now ?? Date.now;
  const newId = options.newId ?? (() => crypto.randomUUID());
  let answer: (request: Request) => Response | Promise<Response> = () => new Response(null, { status: 503 });
  // Every reply contains addresses with the port, so the server listens first.
  const servers = await listen(options, (request) => answer(request));
  const port = portOf(servers[0]);
  const url = `http://${LOOPBACK}:${port}`;
  const reachable = options.publicUrl ?? `http://${options.alsoListenOn?.[0] ?? LOOPBACK}:${port}`;

  const github = createGithub({
    now,
    newId,
    links: { api: `${url}/api/v3`, html: url, reachable },
    hookUrl: options.hookUrl,
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const wireLog = options.wireLog ?? createWireLog();
  const root = join(options.dataDir, 'repositories');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const store = createGitStore(root);
  const sender = createWebhookSender(github, wireLog);
  const { organization, people, tokens } = addPeople(github);
  const installation = github.installations.create(organization, people.admin);
  const archives = createArchives(github, store, newId());
  const git = createGitHttp(github, store);
  const api = createApi({
    github,
    store,
    archives,
    validator: createGithubValidator(),
    wireLog,
    strict: options.strict ?? false,
  });
  const site = createSite(createPages(github, store), createAppSite(github, newId, options.publicZone), api);
  answer = (request) => git.handle(request) ?? archives.handle(request) ?? site.fetch(request);

  return {
    url,
    apiUrl: `${url}/api/v3`,
    github,
    owner: organization.login,
    tokens,
    app: {
      id: github.state.app.id,
      clientId: github.state.app.clientId,
      privateKey: github.privateKey,
      webhookSecret: github.state.app.webhookSecret,
      slug: github.state.app.slug,
      botLogin: github.state.app.bot.login,
    },
    installationId: installation.id,
    setHookUrl: github.setHookUrl,
    faults: { api: github.faults, webhooks: sender.faults },
    deliveriesDone: sender.idle,

    async createRepository({ files, ...wanted }) {
      const repository = github.repositories.create(organization, people.admin, wanted);
      await store.init(repository.id, repository.defaultBranch);
      const sha = files ? await firstCommit(repository, files) : undefined;
      const cloneUrl = `${reachable}/${organization.login}/${repository.name}.git`;
      return { id: repository.id, owner: organization.login, name: repository.name, cloneUrl, sha };
    },

    async close() {
      await sender.close();
      await Promise.all(servers.map(stop));
    },
  };

  async function firstCommit(repository: Repository, files: Record<string, string>): Promise<string> {
    const entries: { path: string; mode: string; sha: string }[] = [];
    for (const [path, text] of Object.entries(files)) {
      entries.push({ path, mode: '100644', sha: await store.writeBlob(repository.id, Buffer.from(text)) });
    }
    const tree = await store.writeTree(repository.id, undefined, entries);
    const sha = await store.writeCommit(repository.id, tree, [], 'Initial commit', people.admin.login);
    await store.setRef(repository.id, `refs/heads/${repository.defaultBranch}`, sha);
    repository.branches.set(repository.defaultBranch, sha);
    return sha;
  }
}

function addPeople(github: Github) {
  const organization = github.addAccount('acme', 'Organization');
  // The App is as setup makes it: private, and owned by the organisation that installs it.
  Object.assign(github.state.app, { owner: organization, public: false });
  const add = (login: Person): Account => github.addAccount(login, 'User');
  const people: Record<Person, Account> = {
    admin: add('admin'),
    writer: add('writer'),
    reader: add('reader'),
    outsider: add('outsider'),
  };
  for (const name of ['admin', 'writer', 'reader'] as const) {
    github.addMember(organization, people[name], roles[name]);
  }
  const tokens: Record<Person, string> = {
    admin: github.addToken(people.admin),
    writer: github.addToken(people.writer),
    reader: github.addToken(people.reader),
    outsider: github.addToken(people.outsider),
  };
  return { organization, people, tokens };
}

function createSite(
  pages: ReturnType<typeof createPages>,
  apps: Hono,
  api: (request: Request) => Promise<Response>,
): Hono {
  const site = new Hono();
  site.all('/api/*', (c) => api(c.req.raw));
  site.route('/', apps);
  site.get('/', (c) => c.html(pages.home()));
  site.get('/:owner/:repo', (c) => c.html(pages.repository(c.req.param('owner'), c.req.param('repo'))));
  site.get('/:owner/:repo/pulls', (c) => c.redirect(`/${c.req.param('owner')}/${c.req.param('repo')}`));
  site.get('/:owner/:repo/pull/:number{[0-9]+}', async (c) =>
    c.html(await pages.pull(c.req.param('owner'), c.req.param('repo'), Number(c.req.param('number')))),
  );
  site.onError((error, c) => {
    if (error instanceof GithubError) return c.text(`${error.message}\n`, error.status === 404 ? 404 : 400);
    console.error(error);
    return c.text(`The local GitHub failed: ${error.message}\n`, 500);
  });
  return site;
}

async function listen(
  options: StartGithubOptions,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<ServerType[]> {
  const first = await listenOn(fetch, LOOPBACK, options.port ?? 0);
  const others = (options.alsoListenOn ?? []).filter((address) => address !== LOOPBACK);
  return [first, ...(await Promise.all(others.map((address) => listenOn(fetch, address, portOf(first)))))];
}

function listenOn(
  fetch: (request: Request) => Response | Promise<Response>,
  hostname: string,
  port: number,
): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = createAdaptorServer({ fetch, hostname });
    server.once('error', reject);
    server.listen(port, hostname, () => resolve(server));
  });
}

function portOf(server: ServerType | undefined): number {
  const address = server?.address() as AddressInfo | null | undefined;
  if (!address) throw new Error('The local GitHub is not listening.');
  return address.port;
}

function stop(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}
