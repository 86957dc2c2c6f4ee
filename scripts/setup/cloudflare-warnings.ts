import type { CloudflareAccount } from '../../infra/cloudflare/cloudflare-account.ts';
import type { ZoneFacts } from '../../infra/cloudflare/read-zone.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { countRecords } from './count-records.ts';

/** A preview takes one record, and one more for each further public service. */
const ROOM_FOR_A_FEW = 20;

/** Warns of problems that do not stop a deploy but will cause trouble later. */
export async function warnAboutZone(
  terminal: Terminal,
  account: CloudflareAccount,
  zone: ZoneFacts,
  of: { deploymentId: string; previewSuffix: string },
): Promise<void> {
  if (!zone.active) {
    terminal.mark(
      'warning',
      `The zone ${zone.name} is "${zone.status}": nothing in it is served yet.`,
      `Set its name servers at the registrar to ${zone.nameServers.join(' and ')}.`,
    );
  }
  const depth = of.previewSuffix.slice(0, -zone.name.length - 1).split('.').length;
  if (!of.previewSuffix.endsWith(`.${zone.name}`) || depth > 1) {
    terminal.mark(
      'warning',
      `Previews would end in ${of.previewSuffix}; the free certificate covers one label before ${zone.name} only.`,
      `Set PREVIEW_SUFFIX to "-", a word and ".${zone.name}", like -pr.${zone.name}.`,
    );
  }
  const { total, foreign } = await countRecords(account, of);
  const left = zone.recordLimit - total;
  terminal.mark(
    left < ROOM_FOR_A_FEW ? 'warning' : 'done',
    `${zone.name} (${zone.plan}) has ${total} of at most ${zone.recordLimit} DNS records; each public service of a preview takes one.`,
    left < ROOM_FOR_A_FEW
      ? 'Remove records, take a larger plan, or a zone of its own for previews.'
      : undefined,
  );
  if (foreign.length > 0) {
    terminal.mark(
      'warning',
      `These names already end like a preview's, and would be behind its sign-in: ${foreign.slice(0, 5).join(', ')}${foreign.length > 5 ? ` and ${foreign.length - 5} more` : ''}.`,
      'Choose another PREVIEW_SUFFIX, or rename them.',
    );
  }
  terminal.mark(
    'warning',
    'Unless the account has Workers Paid, all its Workers together get 100,000 requests a day; each request to a preview is one, and so is each webhook.',
    'A preview with a development server uses them up; then previews answer error 1027 until 00:00 UTC.',
  );
}
