import { createApps, type Keys, newKeys } from './apps.ts';
import { createComments } from './comments.ts';
import { createDeliveries } from './deliveries.ts';
import { createDeployments } from './deployments.ts';
import { createFaults } from './faults.ts';
import type { GithubContext } from './github-context.ts';
import { notFound } from './github-error.ts';
import type { Account, App, GithubState, Permissions, Role } from './github-state.ts';
import { createInstallations } from './installations.ts';
import type { Links } from './links.ts';
import { createPulls } from './pulls.ts';
import { createRateLimits, githubRateLimits, type RateLimitSettings } from './rate-limits.ts';
import { createRepositories } from './repositories.ts';
import { createStatuses } from './statuses.ts';

/**
 * GitHub as a state machine: its data, its refusals, its webhooks. No I/O: the wire server (start-github.ts) and
 * in-process fakes are skins over it.
 *
 * Lifecycle: `createGithub` makes the App with its bot and nothing else; accounts, installations and
 * repositories are added by calls. State lives in memory and ends with the process.
 *
 * Gotchas
 * - Git is not part of it. Code that moves a branch reports it with `repositories.recordPush`, and passes in what
 *   only git knows (commit counts, mergeability).
 * - Methods take entities, not names, and check the rules of the operation; the caller checks with access.ts who may
 *   call them.
 * - An event without a hook address or without a covering installation leaves no trace, as on GitHub.
 */
export interface GithubOptions {
  /** Epoch milliseconds. */
  now: () => number;
  newId: () => string;
  links: Links;
  limits?: Partial<RateLimitSettings>;
  hookUrl?: string | undefined;
  /**
   * The App's key pair, PEM. Making one takes a tenth of a second, which matters to a test with hundreds of GitHubs.
   */
  keys?: Keys;
}

/** The permissions of Eph's App; see the README, "Permissions". */
export const appPermissions: Permissions = {
  metadata: 'read',
  contents: 'read',
  issues: 'read',
  checks: 'read',
  merge_queues: 'read',
  pull_requests: 'write',
  statuses: 'write',
  deployments: 'write',
};

export const appEvents = ['pull_request', 'repository', 'merge_group'];

export type Github = ReturnType<typeof createGithub>;

const ANONYMOUS_LIMIT = 60;

/** One pair per process: making one takes a tenth of a second, and simulations make hundreds of GitHubs. */
let shared: Keys | undefined;

export function createGithub(options: GithubOptions) {
  const { now, newId, links } = options;
  // Larger than the numbers that tests usually write by hand, so that ids are not confused with numbers.
  let lastNumber = 100_000;
  const nextNumber = () => {
    lastNumber += 1;
    return lastNumber;
  };
  const account = (login: string, type: Account['type']): Account => ({
    id: nextNumber(),
    login,
    type,
    createdAt: now(),
    members: new Map(),
  });

  const keys = options.keys ?? sharedKeys();
  const owner = account('eph-makers', 'Organization');
  const bot = account('eph[bot]', 'Bot');
  const app: App = {
    id: nextNumber(),
    clientId: `Iv23li${newId().replaceAll('-', '').slice(0, 14)}`,
    slug: 'eph',
    name: 'Eph',
    externalUrl: `${links.html}/apps/eph`,
    owner,
    public: true,
    publicKeys: [keys.publicKey],
    webhookSecret: newId(),
    hookUrl: options.hookUrl,
    bot,
    permissions: appPermissions,
    events: appEvents,
    createdAt: now(),
  };
  const state: GithubState = {
    app,
    apps: new Map([[app.id, app]]),
    accounts: new Map([owner, bot].map((one) => [one.id, one])),
    tokens: new Map(),
    repositories: new Map(),
    moved: new Map(),
    installations: new Map(),
    installationTokens: new Map(),
    deliveries: [],
  };

  const deliveries = createDeliveries({ state, links, now, newId, nextNumber });
  const context: GithubContext = { state, links, now, newId, nextNumber, emit: deliveries.emit };
  const statuses = createStatuses(context);
  const settings = { ...githubRateLimits, ...options.limits };

  return {
    state,
    links,
    now,
    nextNumber,
    /** PKCS#1 PEM. */
    privateKey: keys.privateKey,
    faults: createFaults(),
    limits: createRateLimits(settings, now),
    anonymousLimits: createRateLimits({ ...settings, requestsPerHour: ANONYMOUS_LIMIT }, now),
    deliveries,
    repositories: createRepositories(context),
    pulls: createPulls(context),
    comments: createComments(context),
    statuses,
    deployments: createDeployments(context, statuses),
    installations: createInstallations(context, keys.privateKey),
    apps: createApps(context, account),

    addAccount(login: string, type: 'User' | 'Organization'): Account {
      const added = account(login, type);
      state.accounts.set(added.id, added);
      return added;
    },

    addMember(organization: Account, member: Account, role: Role): void {
      organization.members.set(member.id, role);
    },

    /** A personal access token. */
    addToken(owner: Account): string {
      const token = `ghp_${newId().replaceAll('-', '')}${newId().replaceAll('-', '')}`.slice(0, 40);
      state.tokens.set(token, owner);
      return token;
    },

    account(login: string): Account {
      const found = [...state.accounts.values()].find(
        (one) => one.login.toLowerCase() === login.toLowerCase(),
      );
      if (!found) throw notFound();
      return found;
    },

    setHookUrl(url: string | undefined): void {
      state.app.hookUrl = url;
    },
  };
}

function sharedKeys(): Keys {
  shared ??= newKeys();
  return shared;
}
