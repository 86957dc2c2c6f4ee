import type { GithubClient } from './github-client.ts';
import type { GithubDeliveries } from './github-wire.ts';

/** What GitHub tried to deliver to the App's webhook. */
export function githubDeliveries(client: GithubClient): GithubDeliveries {
  return {
    async deliveries(cursor) {
      const { data, headers } = await client.asApp.request('GET /app/hook/deliveries', {
        per_page: 100,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const attempts = data.map(({ id, guid, delivered_at, status_code, redelivery }) => ({
        id: String(id),
        guid,
        at: Date.parse(delivered_at),
        // A time-out and a refused connection have no status of ours.
        ok: status_code >= 200 && status_code < 300,
        redelivery,
      }));
      return { attempts, next: cursorIn(headers.link) };
    },

    async redeliver(deliveryId) {
      // The id is in the path as text: as a number it would be rounded.
      await client.asApp.request(`POST /app/hook/deliveries/${deliveryId}/attempts`);
    },
  };
}

/** The cursor of the page after this one. */
function cursorIn(link: string | undefined): string | undefined {
  const next = /<([^>]+)>;\s*rel="next"/.exec(link ?? '')?.[1];
  return next === undefined ? undefined : (new URL(next).searchParams.get('cursor') ?? undefined);
}
