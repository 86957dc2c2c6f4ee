import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../local/cloudflare/cloudflared.ts', import.meta.url));

export interface Connector {
  process: ChildProcess;
  /** The output so far. */
  output(): string;
  /** Sends SIGTERM, then waits; returns the exit code. */
  stop(): Promise<number | null>;
}

/** cloudflared as its own process, the way the agent starts it: the token in a file. */
export async function startConnector(edge: string, token: string, ...flags: string[]): Promise<Connector> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-cloudflared-'));
  const file = join(folder, 'token');
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  const args = [
    'tunnel',
    '--no-autoupdate',
    '--metrics',
    '127.0.0.1:0',
    ...flags,
    'run',
    '--token-file',
    file,
  ];
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], EPH_LOCAL_EDGE: edge },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
  });
  const exited = once(child, 'exit');
  exited.then(() => rm(folder, { recursive: true, force: true }));
  return {
    process: child,
    output: () => printed,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      return code as number | null;
    },
  };
}

/** A port on which nothing listens at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Asks every 10 ms until the condition is true; the error names what was waited for. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited 5 s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
