import { type Context, Hono } from 'hono';
import {
  administers,
  appSettingsPage,
  installAppPage,
  installedPage,
  newAppPage,
  type PendingApp,
  refusedManifest,
} from './app-pages.ts';
import { checkManifest } from './check-manifest.ts';
import type { Github } from './github.ts';
import { GithubError, notFound } from './github-error.ts';
import type { Account, App } from './github-state.ts';

/**
 * The steps that a person takes with an App in a browser, because GitHub has no API for them: make one from a
 * manifest, install it, make and delete keys, delete it. A manifest is kept from the page that shows it until the
 * button is pressed.
 */
export function createAppSite(github: Github, newId: () => string, publicZone?: string): Hono {
  const { state, apps, installations } = github;
  const pending = new Map<string, PendingApp & { state: string }>();
  const site = new Hono();

  const people = (): Account[] => [...state.accounts.values()].filter((one) => one.type === 'User');

  /**
   * The account that the person chose. @throws 404 for a person without the right: GitHub does not reveal that it
   * exists
   */
  function adminOf(account: Account, login: unknown): Account {
    const person = people().find((one) => one.login === login);
    if (!person || !administers(person, account)) throw notFound();
    return person;
  }

  async function ownApp(c: Context, slug: string): Promise<App> {
    const app = apps.get(slug);
    adminOf(app.owner, (await fields(c))['as']);
    return app;
  }

  async function offer(c: Context, organization: Account | undefined) {
    const form = await fields(c);
    const checked = checkManifest(String(form['manifest'] ?? ''), publicZone);
    if (!checked.ok) return c.html(refusedManifest(checked.errors), 422);
    const { manifest } = checked;
    const one = { id: newId(), manifest, organization, state: c.req.query('state') ?? '' };
    pending.set(one.id, one);
    return c.html(newAppPage(people(), one, []));
  }

  site.post('/settings/apps/new', (c) => offer(c, undefined));
  site.post('/organizations/:org/settings/apps/new', (c) => offer(c, github.account(c.req.param('org'))));

  site.post('/settings/apps/new/confirm', async (c) => {
    const form = await fields(c);
    const one = pending.get(String(form['pending']));
    if (!one) throw notFound();
    const person = people().find((candidate) => candidate.login === form['as']);
    const owner = one.organization ?? person;
    if (!owner) throw notFound();
    adminOf(owner, form['as']);
    const manifest = { ...one.manifest, name: String(form['name'] ?? one.manifest.name).trim() };
    const errors = apps.nameErrors(manifest.name);
    if (errors.length > 0) return c.html(newAppPage(people(), { ...one, manifest }, errors), 422);
    pending.delete(one.id);
    const target = new URL(manifest.redirectUrl);
    target.searchParams.set('code', apps.register(manifest, owner));
    if (one.state) target.searchParams.set('state', one.state);
    return c.redirect(target.href, 302);
  });

  site.get('/apps/:slug/installations/new', (c) =>
    c.html(installAppPage(state, apps.get(c.req.param('slug')), people())),
  );
  site.post('/apps/:slug/installations/new', async (c) => {
    const app = apps.get(c.req.param('slug'));
    const form = await fields(c);
    const account = github.account(String(form['account']));
    const person = adminOf(account, form['as']);
    if (!app.public && account.id !== app.owner.id) throw notFound();
    if ([...state.installations.values()].some((one) => one.app === app && one.account === account)) {
      const problem = `${app.name} is installed on ${account.login} already.`;
      return c.html(installAppPage(state, app, people(), problem), 422);
    }
    const chosen =
      form['selection'] === 'selected' ? [form['repository'] ?? []].flat().map(Number) : undefined;
    return c.html(installedPage(state, installations.create(account, person, chosen, app)));
  });

  const settingsPage = (c: Context) => c.html(appSettingsPage(apps.get(c.req.param('slug') ?? ''), people()));
  for (const base of ['/settings/apps/:slug', '/organizations/:org/settings/apps/:slug'] as const) {
    site.get(base, settingsPage);
    site.get(`${base}/advanced`, settingsPage);
    site.get(`${base}/permissions`, settingsPage);
  }
  site.post('/settings/apps/:slug/keys', async (c) => {
    const app = await ownApp(c, c.req.param('slug'));
    const file = `${app.slug}.${new Date(github.now()).toISOString().slice(0, 10)}.private-key.pem`;
    return c.text(apps.addKey(app), 200, { 'content-disposition': `attachment; filename="${file}"` });
  });
  site.post('/settings/apps/:slug/keys/:index{[0-9]+}/delete', async (c) => {
    const app = await ownApp(c, c.req.param('slug'));
    const key = app.publicKeys[Number(c.req.param('index'))];
    if (!key) throw notFound();
    if (app.publicKeys.length === 1) throw new GithubError(422, 'You cannot delete the only private key.');
    apps.removeKey(app, key);
    return c.html(appSettingsPage(app, people()));
  });
  site.post('/settings/apps/:slug/delete', async (c) => {
    const app = await ownApp(c, c.req.param('slug'));
    apps.remove(app);
    return c.redirect('/', 303);
  });
  return site;
}

type FormFields = Record<string, string | File | (string | File)[]>;

function fields(c: Context): Promise<FormFields> {
  return c.req.parseBody({ all: true });
}
