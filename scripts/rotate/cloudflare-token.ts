import { setTimeout as sleep } from 'node:timers/promises';
import { cloudflareAccount } from '../../infra/cloudflare/cloudflare-account.ts';
import { deleteToken, listRuntimeTokens, mintRuntimeToken } from '../../infra/cloudflare/runtime-token.ts';
import { verifyToken } from '../../infra/cloudflare/verify-token.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { refreshFunctions } from '../../infra/deploy/refresh-functions.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { runtimeTokenProblem } from '../setup/keep-runtime-token.ts';

/** A new token is not known everywhere at once. */
const TRIES = 10;
const PAUSE_MS = 3_000;

/**
 * `make rotate WHAT=cloudflare-token`: a new token for the functions. The old one works until nobody uses it:
 *
 *   new token made and tried -> stored -> functions read their secrets again -> old tokens deleted
 *
 * A function that started before continues with the old token for its last minutes; if a call is refused then, it is
 * made again with the new one. An interruption leaves one token too many, which the next rotation deletes.
 */
export async function rotateCloudflareToken(deployment: Deployment): Promise<void> {
  const { terminal, parameters, names, cloudflare, settings } = deployment;
  const account = await cloudflareAccount(deployment);
  const verified = await verifyToken(account.client, account.accountId);
  if (!verified) {
    throw new OperatorError(
      'Cloudflare does not know the token for deploying any more.',
      'make setup asks for a new one.',
    );
  }
  const home = await deployment.home();
  const minting = { account, owner: verified.owner, deploymentId: settings.DEPLOYMENT_ID, home };
  const problemOf = (value: string) => runtimeTokenProblem({ apiUrl: cloudflare.apiUrl, account }, value);

  const older = await listRuntimeTokens(minting);
  const value =
    older === undefined
      ? await terminal.askSecret({
          name: 'CLOUDFLARE_RUNTIME_TOKEN',
          text: 'The token for deploying may not make tokens. New API token for the functions',
          check: (answer) => problemOf(answer.trim()),
        })
      : (await mintRuntimeToken(minting)).value;
  await terminal.during('Trying the new token', () => untilItWorks(problemOf, value.trim()));
  await parameters.writeSecret(names.cloudflareToken, value.trim());
  terminal.mark('done', `The new token works and is stored (${names.cloudflareToken}).`);
  await terminal.during('Having the functions read it', () => refreshFunctions(deployment));
  terminal.mark('done', 'The functions use it.');

  if (!older?.length) {
    terminal.mark('warning', 'The old token was made by hand.', 'Delete it in Cloudflare’s dashboard.');
    return;
  }
  for (const id of older) await deleteToken(minting, id);
  terminal.mark('done', 'The old token was deleted.');
}

async function untilItWorks(
  problemOf: (value: string) => Promise<string | undefined>,
  value: string,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const problem = await problemOf(value);
    if (!problem) return;
    if (attempt === TRIES) {
      throw new OperatorError(
        `The new token does not work: ${problem} The old one was kept, and the functions still use it.`,
        'Run the rotation again in a few minutes.',
      );
    }
    await sleep(PAUSE_MS);
  }
}
