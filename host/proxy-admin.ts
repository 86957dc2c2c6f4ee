import { request } from 'node:http';
import type { Answer } from './judge-answer.ts';
import { adminHost, probeUserAgent } from './proxy-config.ts';

/** Talks to the proxy: to its admin socket, and through it to the services as a visitor would. */
export interface ProxyAdmin {
  /** Takes on a configuration without dropping a connection; same configuration: nothing happens. */
  load(config: string): Promise<void>;
  /** Requests under way, open WebSockets included. */
  openRequests(): Promise<number>;
  /** One GET as the tunnel would send it. */
  probe(hostname: string, path: string): Promise<Answer>;
}

const ANSWER_TIMEOUT_MS = 10_000;
const MAX_BODY = 16 * 1024;

export function createProxyAdmin(socketPath: string, port: number): ProxyAdmin {
  return {
    async load(config) {
      const { status, body } = await send(
        {
          socketPath,
          path: '/load',
          method: 'POST',
          headers: { host: adminHost, 'content-type': 'application/json' },
        },
        config,
      );
      if (status !== 200)
        throw new Error(`the proxy refused its configuration: ${status} ${body.slice(0, 500)}`);
    },
    async openRequests() {
      const { body } = await send({
        socketPath,
        path: '/reverse_proxy/upstreams',
        headers: { host: adminHost },
      });
      const upstreams: unknown = JSON.parse(body);
      if (!Array.isArray(upstreams)) return 0;
      return upstreams.reduce(
        (sum: number, upstream: { num_requests?: unknown }) => sum + (Number(upstream.num_requests) || 0),
        0,
      );
    },
    async probe(hostname, path) {
      try {
        const headers = { host: hostname, accept: 'text/html,*/*;q=0.8', 'user-agent': probeUserAgent };
        const { status, body, byProxy } = await send({ host: '127.0.0.1', port, path, headers });
        return { kind: 'answered', status, byProxy, body };
      } catch (error) {
        return { kind: 'silent', problem: error instanceof Error ? error.message : String(error) };
      }
    },
  };
}

interface Target {
  socketPath?: string;
  host?: string;
  port?: number;
  path: string;
  method?: string;
  headers: Record<string, string>;
}

function send(target: Target, body?: string): Promise<{ status: number; body: string; byProxy: boolean }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, agent: false, timeout: ANSWER_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          body: text,
          byProxy: (response.headers['x-eph'] ?? 'application') !== 'application',
        });
      response.on('data', (chunk: string) => {
        text += chunk;
        // A page that never ends (server-sent events) has answered, too.
        if (text.length > MAX_BODY && body === undefined) {
          done();
          outgoing.destroy();
        }
      });
      response.on('end', done);
      response.on('error', reject);
      response.setTimeout(ANSWER_TIMEOUT_MS, done);
    });
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)),
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
