import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
/** Comment of the rule that remembers that a local platform switched forwarding on. */
const SWITCHED_ON = 'eph-switched-forwarding-on';

/**
 * Lets the machines behind a bridge out to where this machine gets, masqueraded, and closes to them what is
 * closed on EC2: the metadata address, other machines, and this machine's own addresses but the bridge's. Also
 * closed are the containers of an engine that this machine runs itself.
 *
 * - Every rule carries the bridge's name as its comment; `closeWayOut` finds them by it, also after a kill.
 * - In the tables of `iptables`, in front of the others: a verdict in a table of our own would not help where
 *   Docker or a firewall drops what is forwarded (https://docs.docker.com/engine/network/packet-filtering-firewalls/).
 * - Where forwarding was off it is switched on with a rule that drops what is not ours, so that this machine
 *   becomes nobody else's router, and off again by the last platform.
 * @returns why there is no way out, as a sentence; undefined if there is one
 */
export async function openWayOut(bridge: string, address: string): Promise<string | undefined> {
  try {
    await restore(rulesFor(bridge, address));
    if ((await readFile(FORWARDING, 'utf8')).trim() === '1') return undefined;
    await restore(`*filter\n-A FORWARD -m comment --comment ${SWITCHED_ON} -j DROP\nCOMMIT\n`);
    await writeFile(FORWARDING, '1');
    return undefined;
  } catch (error) {
    await closeWayOut(bridge);
    return `The local machines have no way out to the internet, because this one forwards nothing for them: ${messageOf(error)}. What an image build downloads will fail.`;
  }
}

/** Takes the bridge's rules away; forwarding too, if nobody else has come to need it. */
export async function closeWayOut(bridge: string): Promise<void> {
  await removeRules(bridge);
  const filter = await savedRules('filter');
  if (
    !filter.some((rule) => comments(rule, SWITCHED_ON)) ||
    filter.some((rule) => comments(rule, 'eph-\\w{6}'))
  )
    return;
  await removeRules(SWITCHED_ON);
  // An engine that was started meanwhile has rules there, and relies on forwarding.
  if ((await savedRules('filter')).some((rule) => rule.startsWith('-A FORWARD'))) return;
  await writeFile(FORWARDING, '0').catch(() => undefined);
}

function rulesFor(bridge: string, address: string): string {
  const ours = `-m comment --comment ${bridge}`;
  const forward = [
    `-o ${bridge} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
    `-o ${bridge} -j REJECT`,
    `-i ${bridge} -d 169.254.0.0/16 -j REJECT`,
    // To a port that an engine of this machine publishes.
    `-i ${bridge} -m conntrack --ctstate DNAT -j REJECT`,
    ...['eph-+', 'docker+', 'br-+', 'virbr+'].map((link) => `-i ${bridge} -o ${link} -j REJECT`),
    `-i ${bridge} -j ACCEPT`,
  ];
  const inOrder = (chain: string, rules: readonly string[]) =>
    rules.map((rule, index) => `-I ${chain} ${index + 1} ${ours} ${rule}`);
  const network = address.replace(/\d+$/, '0/24');
  return [
    '*filter',
    ...inOrder('INPUT', [`-i ${bridge} -d ${address} -j ACCEPT`, `-i ${bridge} -j REJECT`]),
    ...inOrder('FORWARD', forward),
    'COMMIT',
    '*mangle',
    // The way out may take smaller packets than the machines' 1500 bytes (a VPN).
    `-I FORWARD 1 ${ours} -i ${bridge} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`,
    'COMMIT',
    '*nat',
    `-I POSTROUTING 1 ${ours} -s ${network} ! -o ${bridge} -j MASQUERADE`,
    'COMMIT',
    '',
  ].join('\n');
}

async function removeRules(comment: string): Promise<void> {
  for (const table of ['filter', 'mangle', 'nat']) {
    const rules = (await savedRules(table)).filter((rule) => comments(rule, comment));
    if (rules.length === 0) continue;
    const lines = rules.map((rule) => rule.replace(/^-A/, '-D'));
    await restore(`*${table}\n${lines.join('\n')}\nCOMMIT\n`).catch(() => undefined);
  }
}

/** `-A <chain> ...` each; none where there is no iptables. */
async function savedRules(table: string): Promise<string[]> {
  const saved = await run('iptables-save', ['-t', table]).catch(() => ({ stdout: '' }));
  return saved.stdout.split('\n').filter((line) => line.startsWith('-A '));
}

function comments(rule: string, comment: string): boolean {
  return new RegExp(`--comment "?${comment}"?(?:\\s|$)`).test(rule);
}

/** All of it or, within a table, nothing. Another program may hold the lock of the tables for a moment. */
function restore(rules: string): Promise<void> {
  return new Promise((done, fail) => {
    const child = execFile('iptables-restore', ['--noflush', '--wait', '10'], (error, _out, stderr) =>
      error ? fail(new Error(stderr.trim().split('\n')[0] || error.message)) : done(),
    );
    // Without the program the pipe breaks; the callback has the reason.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(rules);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
