import { lookup } from 'node:dns/promises';
import { BlockList, connect, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';

/** TCP itself waits two minutes; a registry that answers at all does so within a second or two. */
const CONNECT_MS = 10_000;

/**
 * Connects to `host:port` for a machine, as if the machine did it through its own route: not to this machine and not
 * to its own networks of machines and containers. @returns the reason of a failure in one line, in the words of
 * engines
 */
export async function connectOutside(target: string): Promise<{ socket: Socket } | { refused: string }> {
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(target) ?? [];
  const unreachable = (why: string) => ({
    refused: `${host} could not be reached from this machine (${why})`,
  });
  const found = await lookup(host, { family: 4 }).catch(
    (error: NodeJS.ErrnoException) => error.code ?? 'failed',
  );
  if (typeof found === 'string') return unreachable(`lookup: ${found}`);
  if (closed().check(found.address)) return unreachable(`dial tcp: ${found.address} is closed to machines`);
  const socket = connect({ host: found.address, port: Number(port) });
  return new Promise((resolve) => {
    const late = setTimeout(() => fail(`dial tcp: no answer within ${CONNECT_MS / 1_000} s`), CONNECT_MS);
    const fail = (why: string) => {
      clearTimeout(late);
      socket.destroy();
      resolve(unreachable(why));
    };
    socket.once('error', (error: NodeJS.ErrnoException) => fail(`dial tcp: ${error.code}`));
    socket.once('connect', () => {
      clearTimeout(late);
      socket.removeAllListeners('error');
      resolve({ socket });
    });
  });
}

/** The list is made for each call, because bridges are made and removed all the time. */
function closed(): BlockList {
  const list = new BlockList();
  for (const [network, bits] of [
    ['0.0.0.0', 8],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const)
    list.addSubnet(network, bits);
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    for (const { address, cidr } of addresses ?? []) {
      if (isIP(address) !== 4) continue;
      const bridged = /^(eph-|docker|br-|virbr)/.test(name);
      list.addSubnet(address, bridged ? Number(cidr?.split('/')[1]) : 32);
    }
  return list;
}
