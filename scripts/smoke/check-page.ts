import { BaseConfigurations } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/configurations';
import { createClient } from 'cloudflare/tree-shakable';
import { parseServiceToken } from '../../infra/cloudflare/ensure-service-token.ts';
import { fetchPage, type Page } from './fetch-page.ts';
import type { SmokeContext } from './smoke-context.ts';
import type { SmokePointId } from './smoke-points.ts';
import type { SmokeReport } from './smoke-report.ts';
import { deadline, until } from './until.ts';

/** Checks what a browser and a program see at the address, and what the containers behind it found out. */
export async function checkPage(
  context: SmokeContext,
  tunnelId: string,
  report: SmokeReport,
  stop: AbortSignal,
): Promise<void> {
  const token = await serviceToken(context);
  const page =
    token && (await until(context, deadline(context, 'other'), stop, () => pageIfUp(context, '/', token)));
  if (!token) report.unknown('tunnel', 'there is no service token for programs (make deploy makes it)');
  else if (page) report.yes('tunnel', 'the page of the sample was served');
  else report.no('tunnel', `the address answers ${(await get(context, '/', token)).status}`);

  await checkStranger(context, report);
  await checkRule(context, tunnelId, report);
  if (!token || !page) return;
  await checkProbe(context, report, 'bridge', '/bridge.txt', token, stop);
  await checkProbe(context, report, 'hostNetwork', '/host-network.txt', token, stop);
}

/** Checks the page while the machine is off. */
export async function checkAsleep(
  context: SmokeContext,
  report: SmokeReport,
  stop: AbortSignal,
): Promise<void> {
  const token = await serviceToken(context);
  if (!token) return report.unknown('asleep', 'there is no service token for programs');
  let status = 0;
  const asleep = await until(context, deadline(context, 'other'), stop, async () => {
    const page = await get(context, '/', token);
    status = page.status;
    return isSample(page) ? undefined : page;
  });
  if (!asleep) return report.no('asleep', 'the application still answers');
  const expected = status === 530 || status === 502 || status === 503 || status === 200;
  if (expected) report.yes('asleep', `it answers ${status}`);
  else report.no('asleep', `it answers ${status}`);
}

type Headers = Record<string, string>;

async function serviceToken({ deployment }: SmokeContext): Promise<Headers | undefined> {
  const { parameters, names } = deployment;
  const token = parseServiceToken(await parameters.read(names.serviceToken));
  return token && { 'CF-Access-Client-Id': token.clientId, 'CF-Access-Client-Secret': token.clientSecret };
}

/** A request is repeated for a name that was made seconds ago, and for an edge that does not know the tunnel yet. */
async function get({ config, hostname }: SmokeContext, path: string, headers: Headers = {}): Promise<Page> {
  const address = config.PREVIEW_URL_TEMPLATE.replace('{host}', hostname);
  return fetchPage(`${address}${path}`, headers).catch((error: Error) => ({
    status: 0,
    headers: {},
    body: error.message,
  }));
}

async function pageIfUp(context: SmokeContext, path: string, token: Headers): Promise<Page | undefined> {
  const page = await get(context, path, token);
  return isSample(page) ? page : undefined;
}

function isSample({ status, body }: Page): boolean {
  return status === 200 && body.includes('eph-smoke');
}

async function checkStranger(context: SmokeContext, report: SmokeReport): Promise<void> {
  const { status, headers, body } = await get(context, '/');
  const refused = (status >= 300 && status < 400) || status === 401 || status === 403;
  if (!refused) {
    report.no('stranger', status === 0 ? body : `the answer is ${status}`);
    return;
  }
  const to = headers['location'];
  report.yes('stranger', `${status}${typeof to === 'string' ? ` to ${new URL(to, 'https://x').host}` : ''}`);
}

/**
 * The setting is read and not tried: a request that passes Access without a token would need a host name outside the
 * suffix, which Eph does not use.
 */
async function checkRule({ deployment }: SmokeContext, tunnelId: string, report: SmokeReport): Promise<void> {
  const { apiUrl, accountId: account_id } = deployment.cloudflare;
  const client = createClient({
    baseURL: apiUrl,
    apiToken: await deployment.cloudflare.token(),
    resources: [BaseConfigurations],
  });
  const { config } = await client.zeroTrust.tunnels.cloudflared.configurations.get(tunnelId, { account_id });
  const access = config?.ingress?.[0]?.originRequest?.access;
  if (access?.required) report.yes('cloudflared', `required, for ${access.audTag.length} application`);
  else report.no('cloudflared', 'the rule of the tunnel does not say so');
}

async function checkProbe(
  context: SmokeContext,
  report: SmokeReport,
  id: Extract<SmokePointId, 'bridge' | 'hostNetwork'>,
  path: string,
  token: Headers,
  stop: AbortSignal,
): Promise<void> {
  const found = await until(context, deadline(context, 'other'), stop, async () => {
    const { status, body } = await get(context, path, token);
    return status === 200 ? body.trim() : undefined;
  });
  if (found === 'blocked') report.yes(id, 'no answer to the request for a token');
  else if (found === 'reachable') report.no(id, 'it was given a token');
  else report.unknown(id, 'the container left no result');
}
