import { type CloudflareAccount, cloudflareClient } from '../../infra/cloudflare/cloudflare-account.ts';
import { namesInForm, runtimePermissions } from '../../infra/cloudflare/permissions.ts';
import { probePermissions } from '../../infra/cloudflare/probe-permissions.ts';
import { deleteToken, listRuntimeTokens, mintRuntimeToken } from '../../infra/cloudflare/runtime-token.ts';
import { type TokenOwner, verifyToken } from '../../infra/cloudflare/verify-token.ts';
import type { ParameterStore } from '../../infra/deploy/parameter-store.ts';
import type { parameterNames } from '../../infra/settings/settings.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';

export interface RuntimeTokenSetup {
  terminal: Terminal;
  parameters: ParameterStore;
  names: ReturnType<typeof parameterNames>;
  apiUrl: string;
  account: CloudflareAccount;
  owner: TokenOwner;
  deploymentId: string;
  /** The account and region that the deployment is run from. */
  home: string;
}

/**
 * The token that the functions run with: a token that works stays; otherwise a new one is made, or asked for if the
 * deploy token may not make one.
 */
export async function keepRuntimeToken(setup: RuntimeTokenSetup): Promise<void> {
  const { terminal, parameters, names } = setup;
  const kept = await parameters.read(names.cloudflareToken);
  if (kept && !(await runtimeTokenProblem(setup, kept))) {
    terminal.mark('done', `The token that the functions run with works (${names.cloudflareToken}).`);
    return;
  }
  const older = await listRuntimeTokens(setup);
  if (older === undefined) {
    await pasteRuntimeToken(setup);
    return;
  }
  const { value } = await mintRuntimeToken(setup);
  await parameters.writeSecret(names.cloudflareToken, value);
  terminal.mark('done', `A token for the functions was made and stored (${names.cloudflareToken}).`);
  if (kept && (await isActive(setup, kept))) {
    terminal.mark(
      'warning',
      'Functions that run have the token from before, so it was kept.',
      'make rotate WHAT=cloudflare-token replaces it in them, and deletes what is too many.',
    );
    return;
  }
  // Their values are lost: the place where they were stored has none that works.
  for (const id of older) await deleteToken(setup, id);
}

async function pasteRuntimeToken(setup: RuntimeTokenSetup): Promise<void> {
  const { terminal, parameters, names } = setup;
  terminal.print('The token may not make tokens, so the functions need a second one, with these only:');
  for (const { label, scope } of runtimePermissions) terminal.print(`  ${scope.padEnd(7)}  ${label}`);
  terminal.print('  https://dash.cloudflare.com/profile/api-tokens');
  const value = await terminal.askSecret({
    name: 'CLOUDFLARE_RUNTIME_TOKEN',
    text: 'API token for the functions',
    check: (answer) => runtimeTokenProblem(setup, answer.trim()),
  });
  await parameters.writeSecret(names.cloudflareToken, value.trim());
  terminal.mark('done', `The token for the functions was stored (${names.cloudflareToken}).`);
}

async function isActive({ apiUrl, account }: RuntimeTokenSetup, value: string): Promise<boolean> {
  const verified = await verifyToken(cloudflareClient(apiUrl, value), account.accountId);
  return verified?.status === 'active';
}

/** Undefined if the functions can run with it. */
export async function runtimeTokenProblem(
  { apiUrl, account }: Pick<RuntimeTokenSetup, 'apiUrl' | 'account'>,
  value: string,
): Promise<string | undefined> {
  const client = cloudflareClient(apiUrl, value);
  const verified = await verifyToken(client, account.accountId);
  if (!verified) return 'Cloudflare does not know this token.';
  if (verified.status !== 'active') return `The token is ${verified.status}.`;
  const missing = await probePermissions({ ...account, client }, runtimePermissions);
  if (missing.length === 0) return undefined;
  return `The token lacks ${missing.map(namesInForm).join(', ')}.`;
}
