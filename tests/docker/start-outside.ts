import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { eventually } from '../../local/eventually.ts';

const run = promisify(execFile);

/** An address of TEST-NET-2 (RFC 5737), which no network uses. */
const HERE = '198.51.100.1';
const THERE = '198.51.100.2';
/** The name differs from a platform's bridge, which machines may not reach. */
const LINK = 'outside0';

/**
 * The internet of a test: a namespace behind a link of its own, with a web server that answers with the caller's
 * address. On this side of the link there is a server too, on an address of this machine that machines must not
 * reach.
 */
export async function startOutside() {
  const script =
    "require('http').createServer((q, r) => r.end(q.socket.remoteAddress)).listen(80, '0.0.0.0')";
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', '--net', process.execPath, '-e', script],
    { stdio: 'ignore' },
  );
  const pid = String(child.pid);
  await eventually('the namespace is there', 5, async () => {
    const [mine, its] = await Promise.all(
      ['self', pid].map((of) => run('readlink', [`/proc/${of}/ns/net`]).then(({ stdout }) => stdout)),
    );
    return mine === its ? { seen: 'that of this machine' } : { done: true };
  });
  await run('ip', ['link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid]);
  await run('ip', ['address', 'add', `${HERE}/30`, 'dev', LINK]);
  await run('ip', ['link', 'set', LINK, 'up']);
  const inside = (...args: string[]) => run('nsenter', ['--target', pid, '--net', 'ip', ...args]);
  await inside('address', 'add', `${THERE}/30`, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  const own = createServer((_, response) => response.end('not for machines'));
  await new Promise<void>((listening) => own.listen(80, HERE, listening));
  return {
    here: HERE,
    there: THERE,
    pid: child.pid,
    async close() {
      own.close();
      child.kill('SIGKILL');
      await run('ip', ['link', 'delete', LINK]).catch(() => undefined);
    },
  };
}
