import { OperatorError } from '../terminal/operator-error.ts';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

/**
 * The route that puts the Worker in front of the previews.
 *
 * Gotchas
 * - Only the previews: `*-pr.<zone>/*` catches no other host name of the zone.
 * - The Free plan has 100,000 Worker requests a day for the whole account, the webhook's included. Above that a
 *   route answers 1027 unless its failure mode is "fail open"; Cloudflare's API description has no field for
 *   it, so only the dashboard can set it (Workers Routes, the route, Request limit failure mode). Nothing here
 *   writes to a route that is right, so the choice stays.
 * - A route can only name a script that exists.
 *
 * @throws OperatorError where the pattern has a route to something else
 */
export function ensureRoute(
  account: CloudflareAccount,
  wanted: { pattern: string; script: string },
  changes: Changes,
): Promise<void> {
  return needing(permissions.workersRoutes, async () => {
    const { pattern, script } = wanted;
    for await (const route of account.client.workers.routes.list({ zone_id: account.zoneId })) {
      if (route.pattern !== pattern) continue;
      if (route.script === script) return;
      const to = route.script ? `the Worker ${route.script}` : 'no Worker, which switches Workers off';
      throw new OperatorError(
        `The route ${pattern} of the zone leads to ${to}; it is not this deployment's.`,
        'Remove it in Cloudflare (Workers Routes of the zone), or choose another PREVIEW_SUFFIX.',
      );
    }
    await changes.make(`The route ${pattern} is made, to the Worker ${script}.`, () =>
      account.client.workers.routes.create({ zone_id: account.zoneId, pattern, script }),
    );
  });
}
