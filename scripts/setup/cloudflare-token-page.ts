import {
  type CloudflarePermission,
  deployPermissions,
  namesInForm,
  permissions,
} from '../../infra/cloudflare/permissions.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';

const asked: readonly CloudflarePermission[] = [...deployPermissions, permissions.mint];

/**
 * Cloudflare's form for a token, filled in as far as its address allows. Only a person can make the first token. A
 * token of the account is better than a person's: it stays when the person leaves.
 * https://developers.cloudflare.com/fundamentals/api/how-to/account-owned-token-template/
 */
export function tokenPages(deploymentId: string): { ofAccount: string; ofUser: string } {
  const name = `Eph ${deploymentId} deploy`;
  const keys = (list: readonly CloudflarePermission[]) =>
    JSON.stringify(list.map(({ template }) => template));
  // `to` comes first and is written out: the dashboard reads `/:account/` as "let me choose the account".
  const account = new URLSearchParams({ permissionGroupKeys: keys(asked), name });
  const user = new URLSearchParams({
    permissionGroupKeys: keys(deployPermissions),
    accountId: '*',
    zoneId: 'all',
    name,
  });
  return {
    ofAccount: `https://dash.cloudflare.com/?to=/:account/api-tokens&${account}`,
    ofUser: `https://dash.cloudflare.com/profile/api-tokens?${user}`,
  };
}

/** Prints the addresses, and the same in words: the form ignores what it does not know without a message. */
export function explainToken(terminal: Terminal, deploymentId: string): void {
  const { ofAccount, ofUser } = tokenPages(deploymentId);
  terminal.print('Make an API token on this page, whose form is filled in (needs a Super Administrator):');
  terminal.print(`  ${ofAccount}`);
  terminal.print('or, with a token of your own, which ends when you leave the account:');
  terminal.print(`  ${ofUser}`);
  terminal.print('Check that the form has these, and limit the zone to the one of the previews:');
  const width = Math.max(...asked.map(({ label }) => label.length));
  for (const { label, scope, purpose } of asked) {
    terminal.print(`  ${scope.padEnd(7)}  ${label.padEnd(width)}  ${purpose}`);
  }
  for (const permission of asked.filter(({ newerGroups }) => newerGroups.length > 0)) {
    terminal.print(`Newer forms may say it otherwise: ${namesInForm(permission)}.`);
  }
  terminal.print(
    `"${permissions.mint.label}" is optional: without it you are asked for a second token, the one that the functions run with.`,
  );
}
