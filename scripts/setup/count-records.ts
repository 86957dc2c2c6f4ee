import type { CloudflareAccount } from '../../infra/cloudflare/cloudflare-account.ts';
import { needing, permissions } from '../../infra/cloudflare/permissions.ts';
import { parseRecordComment } from '../../lambdas/providers/cloudflare/marks.ts';

export interface RecordCount {
  /** All records of the zone; the plan's limit counts these. */
  total: number;
  /** The records with this deployment's mark. */
  ours: number;
  /** Other people's names that end like a preview's: Access of the previews would stand in front of them. */
  foreign: readonly string[];
}

export function countRecords(
  { client, zoneId }: CloudflareAccount,
  of: { deploymentId: string; previewSuffix: string },
): Promise<RecordCount> {
  return needing(permissions.dns, async () => {
    let total = 0;
    let ours = 0;
    const foreign: string[] = [];
    for await (const record of client.dns.records.list({ zone_id: zoneId, per_page: 1_000 })) {
      total += 1;
      if (parseRecordComment(of.deploymentId, record.comment ?? '') !== undefined) ours += 1;
      else if (record.name.endsWith(of.previewSuffix)) foreign.push(record.name);
    }
    return { total, ours, foreign };
  });
}
