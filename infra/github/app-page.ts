export interface AppIdentity {
  id: number;
  slug: string;
  name: string;
  owner: { login: string; type: string };
  /** `https://github.com/apps/<slug>`; another path on GitHub Enterprise Server. */
  htmlUrl: string;
}

/** The App in the form that `GET /app` and the conversion of a manifest return. */
export function appIdentity(app: {
  id: number;
  slug?: string;
  name: string;
  html_url: string;
  owner: object;
}): AppIdentity {
  const { owner } = app;
  const login = 'login' in owner ? String(owner.login) : 'slug' in owner ? String(owner.slug) : '';
  const type = 'type' in owner ? String(owner.type) : 'Organization';
  const slug = app.slug ?? app.html_url.split('/').at(-1) ?? '';
  return { id: app.id, slug, name: app.name, owner: { login, type }, htmlUrl: app.html_url };
}

/** The page where the owner changes it; `permissions`, `advanced` and `installations` are below it. */
export function appSettingsPage(githubUrl: string, { owner, slug }: AppIdentity): string {
  const whose = owner.type === 'User' ? '' : `/organizations/${owner.login}`;
  return `${githubUrl}${whose}/settings/apps/${slug}`;
}

export function installPage({ htmlUrl }: AppIdentity): string {
  return `${htmlUrl}/installations/new`;
}
