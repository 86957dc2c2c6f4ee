import { html } from 'hono/html';
import { covers } from './access.ts';
import type { Manifest } from './check-manifest.ts';
import type { Account, App, GithubState, Installation } from './github-state.ts';
import { fullName } from './links.ts';
import { layout } from './page-parts.ts';

type Markup = ReturnType<typeof html>;

/** The page for a refused manifest. */
export function refusedManifest(errors: readonly string[]): Markup {
  return layout(
    'Invalid GitHub App configuration',
    html`<h1>Invalid GitHub App configuration</h1>
      <p>The configuration does not appear to be a valid GitHub App manifest.</p>
      ${errors.map((error) => html`<p class="problem"><b>Error</b> ${error}</p>`)}`,
    false,
  );
}

export interface PendingApp {
  id: string;
  manifest: Manifest;
  /** Undefined means the person who confirms. */
  organization: Account | undefined;
}

export function newAppPage(
  people: readonly Account[],
  pending: PendingApp,
  errors: readonly string[],
): Markup {
  const { manifest, organization, id } = pending;
  return layout(
    'Create GitHub App',
    html`<h1>Create GitHub App${organization ? ` for ${organization.login}` : ''}</h1>
      ${errors.map((error) => html`<p class="problem"><b>Error</b> ${error}</p>`)}
      <form class="form" method="post" action="/settings/apps/new/confirm">
        <input type="hidden" name="pending" value="${id}" />
        <label>GitHub App name <input type="text" name="name" value="${manifest.name}" /></label>
        ${personChoice(people)}
        <p class="quiet">Webhook: ${manifest.hookUrl ?? 'none'}</p>
        <ul class="quiet">${Object.entries(manifest.permissions).map(
          ([name, level]) => html`<li>${name}: ${level}</li>`,
        )}</ul>
        <button class="button">Create GitHub App${organization ? ` for ${organization.login}` : ''}</button>
      </form>`,
    false,
  );
}

export function installAppPage(
  state: GithubState,
  app: App,
  people: readonly Account[],
  error?: string,
): Markup {
  const accounts = [...state.accounts.values()].filter(
    (one) => one.type !== 'Bot' && (app.public || one.id === app.owner.id),
  );
  return layout(
    `Install ${app.name}`,
    html`<h1>Install ${app.name}</h1>
      ${error ? html`<p class="problem">${error}</p>` : ''}
      <form class="form" method="post">
        ${personChoice(people)}
        <label>Install on <select name="account">${accounts.map(
          (one) => html`<option>${one.login}</option>`,
        )}</select></label>
        <fieldset>
          <label><span><input type="radio" name="selection" value="all" checked /> All repositories</span></label>
          <label><span><input type="radio" name="selection" value="selected" /> Only select repositories</span></label>
          ${[...state.repositories.values()]
            .filter((one) => accounts.includes(one.owner))
            .map(
              (one) =>
                html`<label><span><input type="checkbox" name="repository" value="${one.id}" /> ${fullName(one)}</span></label>`,
            )}
        </fieldset>
        <button class="button">Install</button>
      </form>`,
    false,
  );
}

export function installedPage(state: GithubState, installation: Installation): Markup {
  const { app, account } = installation;
  const names = [...state.repositories.values()].filter((one) => covers(installation, one)).map(fullName);
  return layout(
    `${app.name} on ${account.login}`,
    html`<h1>${app.name} is installed on ${account.login}</h1>
      <p>${installation.selection === 'all' ? 'All repositories' : 'Selected repositories'}: ${names.join(', ')}</p>`,
    false,
  );
}

export function appSettingsPage(app: App, people: readonly Account[]): Markup {
  return layout(
    app.name,
    html`<h1>${app.name}</h1>
      <p>App ID: ${app.id}. Owned by ${app.owner.login}. Webhook: ${app.hookUrl ?? 'none'}</p>
      <h2>Private keys</h2>
      <form class="form" method="post" action="/settings/apps/${app.slug}/keys">
        ${personChoice(people)} <button class="button">Generate a private key</button>
      </form>
      ${app.publicKeys.map(
        (
          _,
          index,
        ) => html`<form class="form" method="post" action="/settings/apps/${app.slug}/keys/${index}/delete">
          ${personChoice(people)} <button class="button">Delete key ${index + 1}</button>
        </form>`,
      )}
      <h2>Danger zone</h2>
      <form class="form" method="post" action="/settings/apps/${app.slug}/delete">
        ${personChoice(people)} <button class="button">Delete GitHub App</button>
      </form>`,
    false,
  );
}

/** Nobody signs in to the local GitHub: the person who clicks chooses an account. */
function personChoice(people: readonly Account[]): Markup {
  return html`<label>Signed in as <select name="as">${people.map(
    (one) => html`<option>${one.login}</option>`,
  )}</select></label>`;
}

/** Whether this person may change the account's settings. */
export function administers(person: Account, account: Account): boolean {
  return person.id === account.id || account.members.get(person.id) === 'admin';
}
