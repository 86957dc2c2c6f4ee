/**
 * Cloudflare's edge on this machine: one HTTP server for every hostname of the zone, told apart by Host.
 *
 * A request goes through these steps, in Cloudflare's order: name look-up -> Access -> Worker (by route, else by host
 * name) -> tunnel. It is plain HTTP: the local platform has no certificates. A name deeper than one label below the
 * zone, for which Universal SSL has no certificate, is refused with 495, where a browser would refuse to connect.
 *
 * Gotchas
 * - `530` with `error code: 1016` is a name without a record (a browser would not even connect), `1033` a tunnel
 *   without a connector. 502 comes from cloudflared, when nothing listens behind it.
 * - A Worker is called over HTTP with the request after Access, upgrades included. Its own requests must come in
 *   through the server of `attachOutbound`, which sends them straight to the tunnel for names of the zone, and to the
 *   network for all others.
 * - cloudflared registers here too, by upgrade (tunnel-wire.ts).
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { type WireLog, wireQuery } from '../wire-log.ts';
import { createAccessGate, type EdgeAnswer, type EdgeRequest } from './access-gate.ts';
import type { AccessSessions, Person } from './access-sessions.ts';
import { createTeamPages } from './access-team.ts';
import { type CloudflareMachine, TEAM_NAME } from './cloudflare.ts';
import {
  acceptUpgrade,
  type EdgeReply,
  feed,
  readForm,
  readForwarded,
  readRequest,
  refuseUpgrade,
  sendReply,
  VISITOR_LEFT,
} from './edge-http.ts';
import { createEdgeTunnels } from './edge-tunnels.ts';
import { errorPage } from './error-page.ts';
import { passOn } from './pass-on.ts';
import { PROTOCOL } from './tunnel-wire.ts';

/** Other upgrades (`h2c`, which curl requests) are served as if they had not been requested. */
export const edgeServerOptions: ServerOptions = {
  keepAliveTimeout: 65_000,
  requestTimeout: 0,
  shouldUpgradeCallback: ({ headers }) =>
    headers.upgrade === PROTOCOL || headers.upgrade?.toLowerCase() === 'websocket',
};

export interface EdgeOptions {
  machine: CloudflareMachine;
  sessions: AccessSessions;
  wireLog: WireLog;
  now: () => number;
  newId: () => string;
  /** `team.<zone>:<port>`, in the form that visitors use. */
  teamHost: string;
  people: readonly Person[];
  loginCode: string;
  /** The address at which a script runs; without it Workers are skipped. */
  workerUrl?: (script: string) => string;
}

export interface Edge {
  /** Serves visitors and connectors on a server made with `edgeServerOptions`; one server per address. */
  attach(server: Server): void;
  /** Serves the Workers' own requests: for the zone straight to the tunnel, without Access and Workers. */
  attachOutbound(server: Server): void;
  close(): void;
}

export function createEdge(options: EdgeOptions): Edge {
  const { machine, sessions, wireLog, now, newId, teamHost, workerUrl } = options;
  const teamUrl = `http://${teamHost}`;
  const gate = createAccessGate({ machine, sessions, teamUrl });
  const teamPages = createTeamPages(options);
  const tunnels = createEdgeTunnels({
    machine,
    teams: { [TEAM_NAME]: { issuer: teamUrl, certsHost: teamHost, certsPath: '/cdn-cgi/access/certs' } },
  });

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const ray = newRay(newId);
    const request = readRequest(incoming, ray);
    const t = now();
    const left = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.headersSent) left.abort();
    });
    const reply = await replyTo(request, incoming, left.signal);
    record(t, request, reply.status);
    sendReply(reply, outgoing, ray);
  }

  async function replyTo(
    request: EdgeRequest,
    incoming: IncomingMessage,
    left: AbortSignal,
  ): Promise<EdgeReply> {
    if (request.host === teamHost) return teamPages(request, await readForm(incoming));
    const inner = await admit(request);
    if (inner.kind === 'answer') return inner.answer;
    if (!inner.worker) return throughTunnel(inner.request, 'request', incoming, left);
    return passOn({ to: inner.worker, request: inner.request, kind: 'request', body: incoming, left });
  }

  async function upgrade(incoming: IncomingMessage, socket: Duplex, early: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    if (incoming.headers.upgrade === PROTOCOL) {
      tunnels.register(incoming, socket);
      return;
    }
    const ray = newRay(newId);
    const request = readRequest(incoming, ray);
    const t = now();
    const reply = await replyToUpgrade(request);
    record(t, request, reply.status);
    const { body } = reply;
    if (reply.status === 101 && isDuplex(body)) acceptUpgrade(socket, early, reply.headers, body, ray);
    else await refuseUpgrade(socket, reply, ray);
  }

  async function replyToUpgrade(request: EdgeRequest): Promise<EdgeReply> {
    const inner = await admit(request);
    if (inner.kind === 'answer') return inner.answer;
    if (!inner.worker) return throughTunnel(inner.request, 'websocket');
    return passOn({ to: inner.worker, request: inner.request, kind: 'websocket' });
  }

  /** The steps between the visitor and the tunnel: name, Access and Worker route. */
  async function admit(request: EdgeRequest) {
    const refused = nameProblem(request);
    if (refused) return { kind: 'answer' as const, answer: refused };
    const verdict = await gate(request);
    if (verdict.kind === 'answer') return verdict;
    const route = machine.matchRoute(`${request.hostname}${request.path}`);
    const script = route ? route.script : machine.scriptOfHost(request.hostname);
    return {
      kind: 'inner' as const,
      request: { ...request, headers: verdict.headers },
      worker: script && workerUrl ? new URL(workerUrl(script)) : undefined,
    };
  }

  /** Undefined if the name leads to something; otherwise the answer that the visitor gets instead. */
  function nameProblem(request: EdgeRequest): EdgeAnswer | undefined {
    const { hostname } = request;
    const suffix = `.${machine.zone}`;
    if (hostname.endsWith(suffix) && hostname.slice(0, -suffix.length).includes('.')) {
      const sentence = `No certificate covers ${hostname}: the free one covers one label below ${machine.zone}.`;
      return errorPage(request, 495, 'No certificate', sentence);
    }
    if (machine.resolve(hostname)?.proxied) return undefined;
    return errorPage(request, 530, 'No such name', `${hostname} has no proxied DNS record.`, 1016);
  }

  async function throughTunnel(
    request: EdgeRequest,
    kind: 'request' | 'websocket',
    body?: Readable,
    left?: AbortSignal,
  ): Promise<EdgeReply> {
    const content = machine.resolve(request.hostname)?.content ?? '';
    const tunnelId = /^([0-9a-f-]{36})\.cfargotunnel\.com$/.exec(content)?.[1];
    if (tunnelId === undefined) {
      return errorPage(request, 530, 'Origin DNS error', `${content} is no tunnel of this account.`, 1016);
    }
    const { method, path, headers } = request;
    const opened = tunnels.open(tunnelId, kind, { method, path, headers });
    if (!opened) {
      const sentence = 'Cloudflare Tunnel error: no healthy cloudflared instance serves this name.';
      return errorPage(request, 530, 'Tunnel not connected', sentence, 1033);
    }
    if (kind === 'request' && body) feed(body, opened.stream);
    left?.addEventListener('abort', () => opened.stream.destroy(new Error(VISITOR_LEFT)));
    try {
      const head = await opened.reply;
      if (head.source === 'origin' || head.status !== 502) return { ...head, body: opened.stream };
    } catch {
      // The connection broke before an answer: to a visitor this looks like an origin that does not exist.
    }
    opened.stream.destroy();
    return errorPage(request, 502, 'Bad gateway', 'cloudflared is connected, but nothing answers behind it.');
  }

  async function outboundReply(
    request: EdgeRequest,
    kind: 'request' | 'websocket',
    body?: Readable,
  ): Promise<EdgeReply> {
    if (request.hostname.endsWith(`.${machine.zone}`)) {
      return nameProblem(request) ?? (await throughTunnel(request, kind, body));
    }
    return passOn({ to: new URL(`http://${request.host}`), request, kind, ...(body ? { body } : {}) });
  }

  function record(t: number, request: EdgeRequest, status: number): void {
    const url = URL.parse(request.path, 'http://edge');
    wireLog.record({
      t,
      peer: 'edge',
      method: request.method,
      path: `//${request.host}${url?.pathname ?? request.path}`,
      query: wireQuery(url?.searchParams ?? new URLSearchParams()),
      request: null,
      status,
      reply: null,
    });
  }

  return {
    attach(server) {
      server
        .on('request', (incoming, outgoing) => {
          handle(incoming, outgoing).catch((error) => failReply(outgoing, error));
        })
        .on('upgrade', (incoming, socket, early) => {
          upgrade(incoming, socket, early).catch(() => socket.destroy());
        });
    },
    attachOutbound(server) {
      server
        .on('request', (incoming, outgoing) => {
          const request = readForwarded(incoming);
          outboundReply(request, 'request', incoming).then(
            (reply) => sendReply(reply, outgoing, newRay(newId)),
            (error) => failReply(outgoing, error),
          );
        })
        .on('upgrade', (incoming, socket, early) => {
          socket.on('error', () => socket.destroy());
          outboundReply(readForwarded(incoming), 'websocket')
            .then(async (reply) => {
              const ray = newRay(newId);
              const { body } = reply;
              if (reply.status === 101 && isDuplex(body))
                acceptUpgrade(socket, early, reply.headers, body, ray);
              else await refuseUpgrade(socket, reply, ray);
            })
            .catch(() => socket.destroy());
        });
    },
    close: () => tunnels.close(),
  };
}

function failReply(outgoing: ServerResponse, error: unknown): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  outgoing.writeHead(500, { 'content-type': 'text/plain' }).end(`The edge stand-in failed: ${message}\n`);
}

function isDuplex(body: Readable | string): body is Duplex {
  return typeof body !== 'string' && 'write' in body;
}

function newRay(newId: () => string): string {
  return newId().replaceAll('-', '').slice(0, 16);
}
