import { createHmac } from 'node:crypto';
import { covers } from './access.ts';
import type { GithubEvent } from './github-context.ts';
import { GithubError, notFound } from './github-error.ts';
import type { App, Delivery, DeliveryOutcome, GithubState, Installation } from './github-state.ts';
import { type Links, nodeId } from './links.ts';
import { presentAccount } from './present-account.ts';
import { presentInstallation } from './present-installation.ts';
import { organizationOf, presentRepository } from './present-repository.ts';

export type Deliveries = ReturnType<typeof createDeliveries>;

interface DeliveryContext {
  state: GithubState;
  links: Links;
  now(): number;
  newId(): string;
  nextNumber(): number;
}

/** GitHub's ids of deliveries have had 19 digits since February 2026 (octokit/request.js#797). */
const FIRST_ID = 3_804_004_623_172_239_367n;

/** https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks */
const KEPT = 3 * 24 * 60 * 60 * 1_000;
const MAX_PAGE = 100;

interface PageWanted {
  status?: string | undefined;
  cursor?: string | undefined;
  size?: number;
}

/** Every App gets these, subscribed or not. */
const unconditional = new Set(['installation', 'installation_repositories', 'ping']);

/**
 * The App's webhook deliveries. Lifecycle: an event becomes one delivery (signed, recorded, passed to the listener,
 * which sends it) -> `finished` with the answer. GitHub never repeats one by itself; `redeliver` makes another record
 * with the same guid.
 *
 * Gotchas
 * - A suspended installation gets only its own suspend and unsuspend.
 * - Deliveries can be listed, looked up and repeated for three days.
 * - Ids do not fit a double: a client that reads them as plain numbers redelivers what does not exist.
 * - The signature is over the bytes in `body`; the payload must not be serialised again.
 */
export function createDeliveries(context: DeliveryContext) {
  const { state, links } = context;
  let send: (delivery: Delivery) => void = () => undefined;

  /** At most one of each App, since an account installs an App once. */
  const concerned = (event: GithubEvent): Installation[] => {
    const { repository, installation } = event;
    if (!repository) return installation ? [installation] : [];
    return [...state.installations.values()].filter(
      (one) => one.suspendedAt === null && covers(one, repository) && one.events.includes(event.name),
    );
  };

  const payloadOf = (event: GithubEvent, installation: Installation): Record<string, unknown> => ({
    ...event.payload,
    ...(event.repository
      ? {
          repository: presentRepository(links, event.repository),
          ...organizationOf(links, event.repository),
          installation: { id: installation.id, node_id: nodeId('MDIz', installation.id) },
        }
      : { installation: presentInstallation(links, installation) }),
    sender: presentAccount(links, event.sender),
  });

  const record = (delivery: Omit<Delivery, 'id' | 'headers' | 'deliveredAt' | 'outcome'>): void => {
    const { app } = delivery;
    const signature = createHmac('sha256', app.webhookSecret).update(delivery.body).digest('hex');
    const recorded: Delivery = {
      ...delivery,
      id: FIRST_ID + BigInt(context.nextNumber()),
      deliveredAt: context.now(),
      outcome: undefined,
      headers: {
        Accept: '*/*',
        'Content-Type': 'application/json',
        'User-Agent': `GitHub-Hookshot/${nodeId('hook', app.id).slice(-7)}`,
        'X-GitHub-Delivery': delivery.guid,
        'X-GitHub-Event': delivery.event,
        'X-GitHub-Hook-ID': String(app.id + 1),
        'X-GitHub-Hook-Installation-Target-ID': String(app.id),
        'X-GitHub-Hook-Installation-Target-Type': 'integration',
        'X-Hub-Signature-256': `sha256=${signature}`,
      },
    };
    state.deliveries.push(recorded);
    send(recorded);
  };

  const isKept = ({ deliveredAt }: Delivery): boolean => context.now() - deliveredAt < KEPT;

  const get = (id: bigint): Delivery => {
    const delivery = state.deliveries.find((one) => one.id === id && isKept(one));
    if (!delivery) throw notFound();
    return delivery;
  };

  return {
    get,

    /** The listener sends each delivery that is recorded from now on. */
    onDelivery(listener: (delivery: Delivery) => void): void {
      send = listener;
    },

    emit(event: GithubEvent): void {
      for (const installation of concerned(event)) {
        const { app } = installation;
        if (app.hookUrl === undefined) continue;
        if (!unconditional.has(event.name) && !installation.events.includes(event.name)) continue;
        record({
          guid: context.newId(),
          app,
          event: event.name,
          action: typeof event.payload['action'] === 'string' ? event.payload['action'] : null,
          installationId: installation.id,
          repositoryId: event.repository?.id ?? null,
          redelivery: false,
          url: app.hookUrl,
          body: JSON.stringify(payloadOf(event, installation)),
        });
      }
    },

    finished(delivery: Delivery, outcome: DeliveryOutcome): void {
      delivery.outcome = outcome;
    },

    /** Removes the delivery as if the event had never happened: it is not recorded either. */
    forget(delivery: Delivery): void {
      state.deliveries = state.deliveries.filter((one) => one !== delivery);
    },

    /** Sends the same guid and body to the hook's present address. */
    redeliver(id: bigint): void {
      const { app, guid, event, action, installationId, repositoryId, body, url } = get(id);
      record({
        app,
        guid,
        event,
        action,
        installationId,
        repositoryId,
        redelivery: true,
        url: app.hookUrl ?? url,
        body,
      });
    },

    /**
     * The deliveries that have ended, newest first; at most 100 of them, and the cursor of the next page.
     * @throws 400 for an invalid cursor
     */
    page(app: App, wanted: PageWanted): { shown: Delivery[]; next: string | undefined } {
      const { status, cursor, size = MAX_PAGE } = wanted;
      const from = cursor === undefined ? undefined : /^v1_(\d+)$/.exec(cursor)?.[1];
      if (cursor !== undefined && from === undefined) throw new GithubError(400, 'Invalid cursor');
      const all = state.deliveries
        .filter((one) => one.app === app && one.outcome !== undefined && isKept(one))
        .filter((one) => status === undefined || statusOf(one) === status)
        .filter((one) => from === undefined || one.id < BigInt(from))
        .reverse();
      const shown = all.slice(0, Math.min(size, MAX_PAGE));
      return { shown, next: all.length > shown.length ? `v1_${shown.at(-1)?.id}` : undefined };
    },
  };
}

/** The status in the filter's terms: a delivery without an answer has neither. */
function statusOf({ outcome }: Delivery): 'success' | 'failure' | undefined {
  const { statusCode = 0 } = outcome ?? {};
  if (statusCode >= 200 && statusCode < 400) return 'success';
  return statusCode >= 400 && statusCode < 600 ? 'failure' : undefined;
}
