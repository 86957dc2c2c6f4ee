import { OperatorError } from '../terminal/operator-error.ts';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

/**
 * A host name of the zone at which the Worker answers ("custom domain"): Cloudflare makes its DNS record and
 * certificate.
 *
 * Gotcha: today Cloudflare refuses a PUT for a name that has a record of another owner, but one parameter would make
 * it replace that record, so the record is checked first.
 *
 * @throws OperatorError where the name belongs to another owner
 */
export async function ensureWorkerHost(
  account: CloudflareAccount,
  wanted: { hostname: string; script: string },
  changes: Changes,
): Promise<void> {
  const { client, accountId: account_id, zoneId: zone_id } = account;
  const { hostname, script } = wanted;
  const attached = await needing(permissions.workersScripts, async () => {
    for await (const domain of client.workers.domains.list({ account_id, hostname })) {
      if (domain.hostname === hostname) return domain;
    }
    return undefined;
  });
  if (attached?.service === script) return;
  if (attached) throw taken(hostname, `the Worker ${attached.service}`);
  await needing(permissions.dns, async () => {
    for await (const record of client.dns.records.list({ zone_id, name: { exact: hostname } })) {
      if (record.name === hostname) throw taken(hostname, `a DNS record (${record.type})`);
    }
  });
  await changes.make(`The host name ${hostname} is attached to the Worker ${script}.`, () =>
    needing(permissions.workersScripts, async () =>
      client.workers.domains.update({ account_id, hostname, service: script, zone_id }),
    ),
  );
}

function taken(hostname: string, by: string): OperatorError {
  return new OperatorError(
    `${hostname}, where GitHub shall deliver, belongs to ${by} that is not this deployment's.`,
    'Set WEBHOOK_HOST to a host name of the zone that is free.',
  );
}
