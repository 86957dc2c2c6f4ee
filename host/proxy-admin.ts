import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Answer } from './judge-answer.ts';
import { adminHost, probeUserAgent } from './proxy-config.ts';

/** Talks to the proxy: to its admin socket, and through it to the services as a visitor would. */
export interface ProxyAdmin {
  /** Loads a configuration without dropping a connection; the same configuration changes nothing. */
  load(config: string): Promise<void>;
  /** The number of open requests, WebSockets included. */
  openRequests(): Promise<number>;
  /** One GET as the tunnel would send it; aborting the signal ends it at once. */
  probe(hostname: string, path: string, options?: { signal?: AbortSignal; cookie?: string }): Promise<Answer>;
}

/** The time from the first byte sent to the headers: a visitor, too, would give up on a slower answer. */
const HEADERS_WITHIN_MS = 10_000;
/** The admin socket answers at once; a configuration is applied within its grace period. */
const ADMIN_WITHIN_MS = 30_000;
/** A page that refuses a hostname says so in its first lines, and is small. */
const MAX_BODY = 16 * 1024;
/** A page that never ends (server-sent events, a log) has answered with its headers; its beginning is enough. */
const BODY_WITHIN_MS = 2_000;

export function createProxyAdmin(socketPath: string, port: number): ProxyAdmin {
  const admin = { socketPath, headers: { host: adminHost } };
  return {
    async load(config) {
      const headers = { ...admin.headers, 'content-type': 'application/json' };
      const { status, body } = await askAdmin({ ...admin, path: '/load', method: 'POST', headers }, config);
      if (status !== 200)
        throw new Error(`the proxy refused its configuration: ${status} ${body.slice(0, 500)}`);
    },
    async openRequests() {
      const { body } = await askAdmin({ ...admin, path: '/reverse_proxy/upstreams' });
      const upstreams: unknown = JSON.parse(body);
      if (!Array.isArray(upstreams)) return 0;
      return upstreams.reduce(
        (sum: number, upstream: { num_requests?: unknown }) => sum + (Number(upstream.num_requests) || 0),
        0,
      );
    },
    async probe(hostname, path, { signal, cookie } = {}) {
      const headers = {
        host: hostname,
        accept: 'text/html,*/*;q=0.8',
        'user-agent': probeUserAgent,
        ...(cookie ? { cookie } : {}),
      };
      const target = { host: '127.0.0.1', port, path, headers };
      const { outgoing, answer } = open(target, HEADERS_WITHIN_MS, signal);
      try {
        const response = await answer;
        const { location, 'set-cookie': cookies = [] } = response.headers;
        return {
          kind: 'answered',
          status: response.statusCode ?? 0,
          byProxy: (response.headers['x-eph'] ?? 'application') !== 'application',
          body: await beginning(response, signal),
          ...(location ? { location } : {}),
          cookies,
        };
      } catch (error) {
        return { kind: 'silent', problem: error instanceof Error ? error.message : String(error) };
      } finally {
        outgoing.destroy();
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

/**
 * The deadline counts from the start and not from the last byte: it also ends a request to a server that sends its
 * headers drop by drop.
 */
function open(
  target: Target,
  withinMs: number,
  signal: AbortSignal | undefined,
  body?: string,
): { outgoing: ClientRequest; answer: Promise<IncomingMessage> } {
  const outgoing = request({ ...target, agent: false, ...(signal ? { signal } : {}) });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    const deadline = setTimeout(
      () => outgoing.destroy(new Error(`no answer within ${withinMs / 1_000} s`)),
      withinMs,
    );
    outgoing.on('response', (response) => {
      clearTimeout(deadline);
      resolve(response);
    });
    // The listener stays for the life of the request: an error after the headers would otherwise end the agent.
    outgoing.on('error', (error) => {
      clearTimeout(deadline);
      reject(error);
    });
  });
  outgoing.end(body);
  return { outgoing, answer };
}

/** The first characters of a body, or those that have arrived in time; never an error. */
function beginning(response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = () => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', done);
      resolve(text);
    };
    const deadline = setTimeout(done, BODY_WITHIN_MS);
    signal?.addEventListener('abort', done);
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text = (text + chunk).slice(0, MAX_BODY);
      if (text.length === MAX_BODY) done();
    });
    response.on('close', done);
    response.on('error', done);
  });
}

async function askAdmin(target: Target, body?: string): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(ADMIN_WITHIN_MS);
  const { answer } = open(target, ADMIN_WITHIN_MS, signal, body);
  const response = await answer;
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, body: text };
}
