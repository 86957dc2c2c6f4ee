import { join } from 'node:path';
import { Octokit } from '@octokit/core';
import * as v from 'valibot';
import { type Announcement, announcePlatform } from '../local/announce-platform.ts';
import { eventually } from '../local/eventually.ts';
import { type Inventory, takeInventory } from '../local/inventory.ts';
import { onStopSignal } from '../local/on-stop-signal.ts';
import { type Platform, startPlatform } from '../local/platform.ts';
import type { WireEntry } from '../local/wire-log.ts';
import { createWireWatch } from '../local/wire-watch.ts';
import { fetchPage } from '../scripts/smoke/fetch-page.ts';
import { printable } from '../scripts/terminal/printable.ts';
import { howToOpen } from './how-to-open.ts';
import { type Clone, pushSample } from './push-sample.ts';

/**
 * `make demo`: the story of one pull request, printed as it happens. Every line is printed when its event was seen,
 * in the wire log or by asking; a line that is not seen in time ends the demo with exit code 1.
 */
const dir = join(import.meta.dirname, '..', '.local');
const interactive =
  process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env['CI'] && !process.env['ONCE'];
const BRANCH = 'new-window';
/** In seconds; a machine that is busy with other work needs more time. */
const PATIENCE = 180;

const watch = createWireWatch();
let startedAt = performance.now();
const stopping = new AbortController();
let starting: Promise<Platform> | undefined;
let platform: Platform | undefined;
let clone: Clone | undefined;
let announcing: Promise<Announcement> | undefined;
let cleaning: Promise<void> | undefined;

onStopSignal(cleanUp);
try {
  await printStory();
} catch (error) {
  // Without the platform the story cannot continue; a person who pressed Ctrl-C knows that.
  if (!cleaning) {
    console.error(`\n✗ ${printable(error instanceof Error ? error.message : String(error))}`);
    console.error('  WIRE_LOG=wire.jsonl make demo ONCE=1 records every request and reply.');
    process.exitCode = 1;
  }
}
await (cleaning ? forEver() : cleanUp());
process.exit(process.exitCode ?? 0);

/** The signal's listener ends the process after the cleanup. */
function forEver(): Promise<never> {
  return new Promise(() => undefined);
}

async function printStory(): Promise<void> {
  heading('Starting the platform');
  starting = startPlatform({
    dir,
    wireLogFile: process.env['WIRE_LOG'],
    onWire: watch.record,
    log: (line) => console.log(`           ${printable(line)}`),
    settings: { TERMINATE_AFTER_SECONDS: '0' },
    signal: stopping.signal,
  });
  platform = await starting;
  const { github } = platform;
  const shop = await github.createRepository({ name: 'shop' });
  const repository = `${shop.owner}/${shop.name}`;
  announcing = announcePlatform(platform, { dir, repository, wireLogFile: process.env['WIRE_LOG'] });
  await announcing;
  line('platform is up', `${github.url}/${repository}`);

  const before = await takeInventory(platform);
  clone = await pushSample(shop.cloneUrl, github.tokens.writer, BRANCH);
  const octokit = new Octokit({ auth: github.tokens.writer, baseUrl: github.apiUrl });
  const at = { owner: shop.owner, repo: shop.name };

  heading('A pull request is opened');
  await clone.change(
    'api/server.mjs',
    'Welcome to the shop',
    'Welcome to the new shop window',
    'Greet visitors',
  );
  begin();
  const { data: pull } = await octokit.request('POST /repos/{owner}/{repo}/pulls', {
    ...at,
    title: 'A new shop window',
    head: BRANCH,
    base: 'main',
  });
  const page = `${github.url}/${repository}/pull/${pull.number}`;
  line('pull request opened', page);
  const url = await followOpening(platform);
  await checkPage(url, 'version 1', 'Welcome to the new shop window');

  if (interactive) {
    const remote = shop.cloneUrl.replace('://', `://writer:${github.tokens.writer}@`);
    await pause(platform, url, page, `${repository}#${pull.number}`, remote);
  }

  heading('A commit is pushed');
  begin();
  const sha = await clone.change('web/index.html', 'version 1', 'version 2', 'Show version 2');
  line('pushed', sha.slice(0, 7));
  await followPush();
  await checkPage(url, 'version 2', 'Welcome to the new shop window');
  const during = await takeInventory(platform);

  heading('The pull request is closed');
  begin();
  await octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...at,
    pull_number: pull.number,
    state: 'closed',
  });
  line('closed', '');
  await followClosing(url);

  heading('What exists');
  const after = await inventoryLike(before, platform);
  showInventories(before, during, after);
  console.log('\n✓ Every step was seen to happen, and nothing is left.');
}

async function followOpening({ urlTemplate, cloudflare }: Platform): Promise<string> {
  await Promise.all([
    told(
      'webhook accepted by the Worker',
      isDelivery('opened'),
      (entry) => `${entry.status}, ${deliveryOf(entry)}`,
    ),
    told('machine launched', isCall('ec2', 'RunInstances'), (entry) => instanceOf(entry)),
    told('tunnel made', isRequest('cloudflare', 'POST', /\/cfd_tunnel$/)),
    tunnelUp(cloudflare),
    told('DNS record made', isRequest('cloudflare', 'POST', /\/dns_records$/), (entry) =>
      textOf(entry.request, 'name'),
    ),
    told('deployment spec written to the machine', isRequest('s3', 'PUT', /next\.json$/)),
    told('comment posted', isRequest('github', 'POST', /\/issues\/\d+\/comments$/), (entry) =>
      textOf(entry.reply, 'html_url'),
    ),
    told('agent planned the services', isRequest('s3', 'PUT', /progress\.json$/)),
    told('containers are up', isRequest('s3', 'PUT', /result\.json$/), timingsOf),
    told('commit status is green', isStatus('success')),
  ]);
  const record = await watch.seen('DNS record', 1, isRequest('cloudflare', 'POST', /\/dns_records$/));
  return urlTemplate.replace('{host}', textOf(record.request, 'name'));
}

/** The API is asked, as a person would look in Cloudflare's dashboard: the connector does not come by the API. */
async function tunnelUp({ cloudflare }: Platform['cloudflare']): Promise<void> {
  await eventually('the tunnel is up', PATIENCE, async () => {
    const [tunnel] = cloudflare.listTunnels({ is_deleted: 'false' }).items;
    return tunnel?.status === 'healthy' ? { done: true } : { seen: tunnel?.status ?? 'no tunnel' };
  });
  line('tunnel is up', 'healthy, 4 connections');
}

async function followPush(): Promise<void> {
  await Promise.all([
    told(
      'webhook accepted by the Worker',
      isDelivery('synchronize'),
      (entry) => `${entry.status}, ${deliveryOf(entry)}`,
    ),
    told('next deployment spec written', isRequest('s3', 'PUT', /next\.json$/)),
    told('agent notified through SSM', isCall('ssm', 'SendCommand')),
    told('containers are up', isRequest('s3', 'PUT', /result\.json$/), timingsOf),
    told('comment edited', isRequest('github', 'PATCH', /\/issues\/comments\/\d+$/)),
    told('commit status is green', isStatus('success')),
  ]);
}

async function followClosing(url: string): Promise<void> {
  await Promise.all([
    told(
      'webhook accepted by the Worker',
      isDelivery('closed'),
      (entry) => `${entry.status}, ${deliveryOf(entry)}`,
    ),
    told('DNS record deleted', isRequest('cloudflare', 'DELETE', /\/dns_records\/\w+$/)),
    told('tunnel deleted', isRequest('cloudflare', 'DELETE', /\/cfd_tunnel\/[\w-]+$/)),
    told('machine terminated', isCall('ec2', 'TerminateInstances')),
    told('deployment marked inactive', isRequest('github', 'POST', /\/deployments\/\d+\/statuses$/)),
    told('comment edited', isRequest('github', 'PATCH', /\/issues\/comments\/\d+$/)),
  ]);
  const { status } = await fetchPage(url, visitor());
  if (status === 200) throw new Error(`${url} still answers 200`);
  line('the address is gone', String(status));
}

async function checkPage(url: string, version: string, greeting: string): Promise<void> {
  await eventually(`${url} shows ${version}`, PATIENCE, async () => {
    const { status, body } = await fetchPage(url, visitor());
    return status === 200 && body.includes(version) ? { done: true } : { seen: `${status}` };
  });
  line('the page answers through Access', `200, "${version}"  ${url}`);
  const api = await fetchPage(`${url}/api/`, visitor());
  if (!api.body.includes(greeting))
    throw new Error(`the API does not say "${greeting}": ${api.status} ${api.body}`);
  const { visits } = v.parse(v.object({ visits: v.number() }), JSON.parse(api.body));
  line('its API and cache answer', `"${greeting}", visit ${visits}`);
  const stranger = await fetchPage(url, { accept: 'text/html' });
  if (![302, 401, 403].includes(stranger.status))
    throw new Error(`a stranger gets ${stranger.status} from ${url}`);
  line('a stranger is sent to sign in', String(stranger.status));
}

function visitor(): Record<string, string> {
  const token = platform?.cloudflare.access.serviceToken;
  return {
    'CF-Access-Client-Id': token?.clientId ?? '',
    'CF-Access-Client-Secret': token?.clientSecret ?? '',
  };
}

/** Prints the line when its event is seen. */
async function told(
  label: string,
  fits: (entry: WireEntry) => boolean,
  detail: (entry: WireEntry) => string = () => '',
): Promise<WireEntry> {
  const entry = await watch.seen(label, PATIENCE, (candidate) => {
    if (isFailedResult(candidate)) return true;
    return fits(candidate) && candidate.status < 400;
  });
  if (isFailedResult(entry))
    throw new Error(`the machine reported a failure: ${JSON.stringify(entry.request)}`);
  line(label, detail(entry));
  return entry;
}

function isFailedResult(entry: WireEntry): boolean {
  return (
    isRequest('s3', 'PUT', /result\.json$/)(entry) && textOf(jsonOf(entry.request), 'outcome') === 'failed'
  );
}

function isRequest(peer: WireEntry['peer'], method: string, path: RegExp) {
  return (entry: WireEntry) => entry.peer === peer && entry.method === method && path.test(entry.path);
}

/** EC2's operation is in the form, that of other services in a header that the wire log shows in the same place. */
function isCall(peer: WireEntry['peer'], operation: string) {
  return (entry: WireEntry) =>
    entry.peer === peer && [entry.query['Action'], textOf(entry.request, 'Action')].includes(operation);
}

function isDelivery(action: string) {
  return (entry: WireEntry) =>
    entry.peer === 'worker' &&
    textOf(entry.request, 'action') === action &&
    textOf(jsonOf(entry.reply), 'ignored') === '';
}

function isStatus(state: string) {
  return (entry: WireEntry) =>
    isRequest('github', 'POST', /\/statuses\/[0-9a-f]{40}$/)(entry) &&
    textOf(entry.request, 'state') === state;
}

function deliveryOf(entry: WireEntry): string {
  return textOf(jsonOf(entry.reply), 'delivery').slice(0, 8);
}

function instanceOf(entry: WireEntry): string {
  return /<instanceId>(i-[0-9a-f]+)</.exec(String(entry.reply))?.[1] ?? '';
}

function timingsOf(entry: WireEntry): string {
  const report = jsonOf(entry.request);
  const timings = typeof report === 'object' && report !== null && 'timings' in report ? report.timings : {};
  return Object.entries(timings ?? {})
    .map(([stage, millis]) => `${stage} ${(Number(millis) / 1_000).toFixed(1)} s`)
    .join(', ');
}

function jsonOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null) return '';
  const found = Object.entries(value).find(([name]) => name === key)?.[1];
  return typeof found === 'string' ? found : '';
}

function begin(): void {
  startedAt = performance.now();
  watch.mark();
}

function heading(text: string): void {
  startedAt = performance.now();
  console.log(`\n${text}`);
}

function line(label: string, detail: string): void {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${label.padEnd(32)} ${printable(detail)}`.trimEnd());
}

async function pause(running: Platform, url: string, page: string, pull: string, remote: string) {
  const { login } = running.cloudflare.access;
  console.log(`
  It is up, and yours to try.
  ${howToOpen({ url, page, login }).join('\n  ')}
  In another terminal
    what Eph did        make trace PR=${pull}
    a push of your own  git clone -b ${BRANCH} ${remote}
                        cd shop && echo '<p>Mine</p>' >>web/index.html && git commit -am Mine && git push

  Enter goes on with the story: a push, then closing. Ctrl-C stops everything and cleans up.`);
  await new Promise<void>((resolve) => process.stdin.once('data', resolve).once('end', resolve));
  process.stdin.pause();
}

/** Machines need a moment to end; what still exists afterwards is a leak. */
function inventoryLike(wanted: Inventory, running: Platform): Promise<Inventory> {
  return eventually('nothing is left', 60, async () => {
    const now = await takeInventory(running);
    const left = Object.entries(now).filter(([kind, count]) => count > (wanted[kind] ?? 0));
    return left.length === 0
      ? { done: now }
      : { seen: left.map(([kind, count]) => `${count} ${kind}`).join(', ') };
  });
}

function showInventories(before: Inventory, during: Inventory, after: Inventory): void {
  console.log(`           ${''.padEnd(24)} before  open  after`);
  for (const kind of Object.keys(after)) {
    const columns = [before[kind], during[kind], after[kind]].map((count) => String(count ?? 0).padStart(6));
    console.log(`           ${kind.padEnd(24)} ${columns.join('')}`);
  }
}

function cleanUp(): Promise<void> {
  cleaning ??= takeAllAway();
  return cleaning;
}

async function takeAllAway(): Promise<void> {
  heading('Cleaning up');
  stopping.abort();
  const running = await starting?.catch(() => undefined);
  await clone?.remove();
  await (await announcing?.catch(() => undefined))?.close();
  await running?.close();
  line('everything is stopped', '');
}
