import {
  type AppCall,
  asApp,
  type Call,
  created,
  noContent,
  type Operations,
  ok,
  okPage,
  page,
} from './call.ts';
import { GithubError, notFound } from './github-error.ts';
import type { Account, App, Delivery, Installation, Permissions } from './github-state.ts';
import { timestamp } from './links.ts';
import { presentApp, presentProfile } from './present-account.ts';
import { presentListedDelivery } from './present-installation.ts';
import { presentRepository } from './present-repository.ts';
import { isObject } from './request-body.ts';

/** The App itself, its installations, tokens and deliveries; people's own accounts. */
export const appOperations: Operations = {
  'apps/get-authenticated': asApp((call) =>
    ok(presentApp(call.github.links, call.app, installationsOf(call).length)),
  ),

  /** A private App is shown to everybody who has a token: https://docs.github.com/en/rest/apps/apps#get-an-app */
  'apps/get-by-slug': ({ github, path, actor }) => {
    const app = github.apps.get(path['app_slug'] ?? '');
    const isStranger = actor.kind === 'anonymous' || actor.kind === 'app';
    if (!app.public && isStranger) throw notFound();
    return ok(presentApp(github.links, app));
  },

  'apps/create-from-manifest': ({ github, path }) => {
    const { app, privateKey, clientSecret } = github.apps.convert(path['code'] ?? '');
    return created({
      ...presentApp(github.links, app),
      client_secret: clientSecret,
      webhook_secret: app.webhookSecret,
      pem: privateKey,
    });
  },

  'apps/get-webhook-config-for-app': asApp(({ app }) => ok(hookConfig(app))),

  'apps/update-webhook-config-for-app': asApp(({ app, body }) => {
    app.hookUrl = body.text('url') ?? app.hookUrl;
    app.webhookSecret = body.text('secret') ?? app.webhookSecret;
    return ok(hookConfig(app));
  }),

  'apps/list-webhook-deliveries': asApp((call) => {
    const { query, url } = call;
    const { status, cursor } = query;
    const size = Number(query['per_page'] ?? 30) || 30;
    const { shown, next } = call.github.deliveries.page(call.app, { status, cursor, size });
    const nextUrl = new URL(url);
    nextUrl.searchParams.set('cursor', next ?? '');
    return {
      status: 200,
      body: shown.map(presentListedDelivery),
      headers: next === undefined ? {} : { link: `<${nextUrl}>; rel="next"` },
    };
  }),

  'apps/redeliver-webhook-delivery': asApp((call) => {
    call.github.deliveries.redeliver(deliveryOf(call).id);
    return { status: 202, body: {} };
  }),

  'apps/list-installations': asApp((call) =>
    okPage(call, installationsOf(call), call.github.installations.present),
  ),

  'apps/delete-installation': asApp((call) => {
    call.github.installations.remove(installationOf(call), call.app.bot);
    return noContent;
  }),

  'apps/create-installation-access-token': asApp((call) => {
    const { github, body } = call;
    const repositoryIds = body.list('repository_ids')?.filter((id) => typeof id === 'number');
    const repositories = body.texts('repositories');
    const permissions = readPermissions(body.object('permissions'));
    const token = github.installations.createToken(installationOf(call), {
      ...(repositoryIds ? { repositoryIds } : {}),
      ...(repositories ? { repositories } : {}),
      ...(permissions ? { permissions } : {}),
    });
    const chosen = [...(token.repositoryIds ?? [])].flatMap((id) => github.state.repositories.get(id) ?? []);
    return created({
      token: token.token,
      expires_at: timestamp(token.expiresAt),
      permissions: token.permissions,
      repository_selection: token.repositoryIds ? 'selected' : installationOf(call).selection,
      ...(token.repositoryIds
        ? { repositories: chosen.map((one) => presentRepository(github.links, one)) }
        : {}),
    });
  }),

  'apps/list-repos-accessible-to-installation': (call) => {
    const { github, actor } = call;
    if (actor.kind !== 'installation') {
      throw new GithubError(
        403,
        'You must authenticate with an installation access token in order to list repositories for an installation.',
      );
    }
    const { repositoryIds } = actor.token;
    const all = github.installations
      .repositoriesOf(actor.installation)
      .filter((one) => repositoryIds === undefined || repositoryIds.has(one.id));
    const { items, headers } = page(call, all);
    return {
      status: 200,
      headers,
      body: {
        total_count: all.length,
        repository_selection: repositoryIds ? 'selected' : actor.installation.selection,
        repositories: items.map((one) => presentRepository(github.links, one)),
      },
    };
  },

  'apps/get-repo-installation': asApp((call) => {
    const { owner = '', repo = '' } = call.path;
    const { github } = call;
    const found = installationsOf(call).find((one) =>
      github.installations
        .repositoriesOf(one)
        .some((repository) => repository.name.toLowerCase() === repo.toLowerCase() && sameLogin(one, owner)),
    );
    if (!found) throw notFound();
    return ok(github.installations.present(found));
  }),

  'users/get-by-username': ({ github, path }) => ok(profile(github, github.account(path['username'] ?? ''))),
};

/** The name of the caller whose rate limit the call uses. */
export function callerName(actor: Call['actor']): string {
  switch (actor.kind) {
    case 'user':
      return `user ID ${actor.account.id}`;
    case 'installation':
      return `installation ID ${actor.installation.id}`;
    case 'app':
      return `app ID ${actor.app.id}`;
    case 'anonymous':
      return '127.0.0.1';
    default:
      throw new Error(`unknown actor ${JSON.stringify(actor satisfies never)}`);
  }
}

/** @throws 404 for an id that is no number, and for other Apps' deliveries */
function deliveryOf({ github, app, path }: AppCall): Delivery {
  const text = path['delivery_id'] ?? '';
  if (!/^\d+$/.test(text)) throw notFound();
  const delivery = github.deliveries.get(BigInt(text));
  if (delivery.app !== app) throw notFound();
  return delivery;
}

/** @throws 404 also for other Apps' installations */
function installationOf({ github, app, path }: AppCall): Installation {
  const installation = github.installations.get(Number(path['installation_id']));
  if (installation.app !== app) throw notFound();
  return installation;
}

function installationsOf({ github, app }: AppCall): Installation[] {
  return [...github.state.installations.values()].filter((one) => one.app === app);
}

function sameLogin(installation: Installation, login: string): boolean {
  return installation.account.login.toLowerCase() === login.toLowerCase();
}

function hookConfig({ hookUrl: url }: App) {
  return {
    content_type: 'json',
    insecure_ssl: '0',
    secret: '********',
    ...(url === undefined ? {} : { url }),
  };
}

function profile(github: Call['github'], account: Account) {
  const owned = [...github.state.repositories.values()].filter((one) => one.owner === account);
  return presentProfile(github.links, account, owned.length);
}

function readPermissions(raw: Record<string, unknown> | undefined): Permissions | undefined {
  if (!isObject(raw)) return undefined;
  const permissions: Permissions = {};
  for (const [name, level] of Object.entries(raw)) {
    if (level === 'read' || level === 'write') permissions[name] = level;
  }
  return permissions;
}
