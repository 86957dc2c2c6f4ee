import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
/** The comment of the rule that records that a local platform switched forwarding on. */
const SWITCHED_ON = 'eph-switched-forwarding-on';

/**
 * Lets the machines behind a bridge reach what this machine reaches, masqueraded, and closes to them what is closed
 * on EC2: the metadata address, other machines, and this machine's own addresses except the bridge's. The containers
 * of an engine that this machine runs itself are closed, too.
 *
 * - Every rule carries the bridge's name as its comment; `closeWayOut` finds them by it, also after a kill.
 * - The rules are in the tables of `iptables`, in front of the others: a verdict in a table of our own would not help
 *   where Docker or a firewall drops what is forwarded (https://docs.docker.com/engine/network/packet-filtering-firewalls/).
 * - Where forwarding was off it is switched on with a rule that drops all other traffic, so that this machine does
 *   not route for anybody else. The last platform switches it off again.
 * @returns why there is no access to the internet, as a sentence; undefined if there is
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

/** Removes the bridge's rules, and switches forwarding off if nothing else needs it by now. */
export async function closeWayOut(bridge: string): Promise<void> {
  await removeRules(bridge);
  const filter = await savedRules('filter');
  if (
    !filter.some((rule) => comments(rule, SWITCHED_ON)) ||
    filter.some((rule) => comments(rule, 'eph-\\w{6}'))
  )
    return;
  await removeRules(SWITCHED_ON);
  // An engine that was started in the meantime has rules there, and needs forwarding.
  if ((await savedRules('filter')).some((rule) => rule.startsWith('-A FORWARD'))) return;
  await writeFile(FORWARDING, '0').catch(() => undefined);
}

function rulesFor(bridge: string, address: string): string {
  const ours = `-m comment --comment ${bridge}`;
  const forward = [
    `-o ${bridge} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
    `-o ${bridge} -j REJECT`,
    `-i ${bridge} -d 169.254.0.0/16 -j REJECT`,
    // This closes ports that an engine of this machine publishes.
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
    // The route to the internet may allow only smaller packets than the machines' 1500 bytes (a VPN).
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

/** The rules as lines `-A <chain> ...`; none where there is no iptables. */
async function savedRules(table: string): Promise<string[]> {
  const saved = await run('iptables-save', ['-t', table]).catch(() => ({ stdout: '' }));
  return saved.stdout.split('\n').filter((line) => line.startsWith('-A '));
}

function comments(rule: string, comment: string): boolean {
  return new RegExp(`--comment "?${comment}"?(?:\\s|$)`).test(rule);
}

/** Applies all rules of a table or none. Another program may hold the lock of the tables for a moment. */
function restore(rules: string): Promise<void> {
  return new Promise((done, fail) => {
    const child = execFile('iptables-restore', ['--noflush', '--wait', '10'], (error, _out, stderr) =>
      error ? fail(new Error(stderr.trim().split('\n')[0] || error.message)) : done(),
    );
    // If the program is missing the pipe breaks; the callback gets the reason.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(rules);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
