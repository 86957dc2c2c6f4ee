import { generateKeyPairSync } from 'node:crypto';
import { MAX_APP_NAME, type Manifest, nameTooLong } from './check-manifest.ts';
import type { GithubContext } from './github-context.ts';
import { notFound } from './github-error.ts';
import type { Account, App } from './github-state.ts';

export interface Keys {
  publicKey: string;
  privateKey: string;
}

export interface Conversion {
  app: App;
  /** PKCS#1 PEM; shown once. */
  privateKey: string;
  clientSecret: string;
}

/** docs.github.com: the code of a manifest is valid for an hour. */
const CODE_LIFE_MS = 3_600_000;

/**
 * Apps that people register. Lifecycle: manifest -> App with a code -> the code is converted once, within an hour ->
 * the App authenticates, is installed, and its owner deletes it in the end, with its installations.
 */
export function createApps(
  { state, now, newId, nextNumber }: GithubContext,
  makeAccount: (login: string, type: Account['type']) => Account,
) {
  const conversions = new Map<string, Conversion & { until: number }>();
  const randomHex = () => newId().replaceAll('-', '');

  return {
    get(slug: string): App {
      const app = [...state.apps.values()].find((one) => one.slug === slug);
      if (!app) throw notFound();
      return app;
    },

    /** The messages of GitHub's page about the name; [] if it is free. Names are unique among Apps and accounts. */
    nameErrors(name: string): string[] {
      if (name.trim() === '') return ["Name can't be blank"];
      if (name.length > MAX_APP_NAME) return [nameTooLong];
      const slug = slugOf(name);
      const taken =
        [...state.apps.values()].some((one) => one.slug === slug) ||
        [...state.accounts.values()].some((one) => one.login.toLowerCase() === slug);
      return taken ? ['Name has already been taken'] : [];
    },

    /** Returns the code for the person who asked for the App. */
    register(manifest: Manifest, owner: Account): string {
      const keys = newKeys();
      const slug = slugOf(manifest.name);
      const bot = makeAccount(`${slug}[bot]`, 'Bot');
      const app: App = {
        id: nextNumber(),
        clientId: `Iv23li${randomHex().slice(0, 14)}`,
        slug,
        name: manifest.name,
        externalUrl: manifest.url,
        owner,
        public: manifest.public,
        publicKeys: [keys.publicKey],
        webhookSecret: randomHex(),
        hookUrl: manifest.hookUrl,
        bot,
        permissions: manifest.permissions,
        events: manifest.events,
        createdAt: now(),
      };
      state.apps.set(app.id, app);
      state.accounts.set(bot.id, bot);
      const code = `${randomHex()}${randomHex()}`.slice(0, 40);
      const { privateKey } = keys;
      conversions.set(code, { app, privateKey, clientSecret: randomHex(), until: now() + CODE_LIFE_MS });
      return code;
    },

    /** @throws 404 for a code that is unknown, used or too old */
    convert(code: string): Conversion {
      const conversion = conversions.get(code);
      conversions.delete(code);
      if (!conversion || conversion.until <= now()) throw notFound();
      return conversion;
    },

    /** Adds a key; the others stay. */
    addKey(app: App): string {
      const { publicKey, privateKey } = newKeys();
      app.publicKeys.push(publicKey);
      return privateKey;
    },

    removeKey(app: App, publicKey: string): void {
      app.publicKeys = app.publicKeys.filter((one) => one !== publicKey);
    },

    remove(app: App): void {
      for (const { id } of [...state.installations.values()].filter((one) => one.app === app)) {
        state.installations.delete(id);
      }
      state.apps.delete(app.id);
    },
  };
}

export function newKeys(): Keys {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    // GitHub gives out this form ("BEGIN RSA PRIVATE KEY"); Web Crypto refuses it, so the product must handle that.
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
