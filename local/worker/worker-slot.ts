import { createHash } from 'node:crypto';
import {
  createServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RunningWorker, startWorker } from './start-worker.ts';

/**
 * The place where the Worker runs: one address that stays, and behind it the version that was uploaded last, as at
 * Cloudflare. A new version is started first, then it replaces the old one, which is then stopped: GitHub's
 * deliveries always find a running version.
 */
export interface WorkerSlot {
  url: string;
  installed(): { vars: Record<string, string>; secretNames: string[] } | undefined;
  /** Secrets that are not named stay. */
  upload(upload: {
    bundle: string;
    vars: Record<string, string>;
    secrets: Record<string, string>;
    dropSecrets: readonly string[];
  }): Promise<void>;
  remove(): Promise<void>;
  close(): Promise<void>;
}

interface Version {
  worker: RunningWorker;
  vars: Record<string, string>;
  secrets: Record<string, string>;
  underWay: Set<Promise<unknown>>;
}

export interface WorkerSlotOptions {
  log(line: string): void;
  /** `host:port` for all requests of the Worker. */
  outbound?: () => string;
}

export async function openWorkerSlot(options: WorkerSlotOptions): Promise<WorkerSlot> {
  const agent = new HttpAgent({ keepAlive: true });
  let version: Version | undefined;

  const server = createServer((incoming, reply) => {
    const serving = version;
    if (!serving) {
      reply.writeHead(404).end('There is no Worker.\n');
      return;
    }
    const done = forward(serving.worker.url, agent, incoming, reply).finally(() =>
      serving.underWay.delete(done),
    );
    serving.underWay.add(done);
  });
  server.on('upgrade', (incoming, socket, early) => {
    if (version) forwardUpgrade(version.worker.url, incoming, socket, early);
    else socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  async function retire(old: Version | undefined): Promise<void> {
    await Promise.all(old?.underWay ?? []);
    await old?.worker.close();
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    installed: () => version && { vars: version.vars, secretNames: Object.keys(version.secrets) },
    async upload({ bundle, vars, secrets, dropSecrets }) {
      const kept = Object.fromEntries(
        Object.entries({ ...version?.secrets, ...secrets }).filter(([name]) => !dropSecrets.includes(name)),
      );
      const worker = await startWorker({
        bundle,
        bindings: { ...vars, ...kept },
        log: options.log,
        outbound: options.outbound?.(),
      });
      const old = version;
      version = { worker, vars, secrets: kept, underWay: new Set() };
      await retire(old);
    },
    async remove() {
      const old = version;
      version = undefined;
      await retire(old);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await version?.worker.close();
    },
  };
}

function forward(
  url: string,
  agent: HttpAgent,
  incoming: IncomingMessage,
  reply: ServerResponse,
): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const outgoing = httpRequest(
      {
        agent,
        hostname,
        port,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
      },
      (answer) => {
        reply.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(reply);
        answer.on('close', resolve);
      },
    );
    outgoing.on('error', () => {
      if (!reply.headersSent) reply.writeHead(502);
      reply.end();
      resolve();
    });
    reply.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
}

/** A WebSocket ends with the version that it began with, as at Cloudflare. */
function forwardUpgrade(url: string, incoming: IncomingMessage, socket: Duplex, early: Buffer): void {
  const { hostname, port } = new URL(url);
  const outgoing = connect(Number(port), hostname, () => {
    const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
    for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
      lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
    }
    outgoing.write(`${lines.join('\r\n')}\r\n\r\n`);
    outgoing.write(early);
    socket.pipe(outgoing).pipe(socket);
  });
  for (const [one, other] of [
    [socket, outgoing],
    [outgoing, socket],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

export function bundleHash(bundle: Uint8Array): string {
  return createHash('sha256').update(bundle).digest('hex');
}
