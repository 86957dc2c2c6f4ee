import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AppManifest } from '../../infra/github/app-manifest.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { manifestPage, messagePage } from './manifest-page.ts';

export interface CodeReceiver {
  /** For a browser on this machine, or on one that forwards `port` here. */
  address: string;
  port: number;
  /**
   * The code with which GitHub sends the browser back. `finish` tells the browser where to continue, or what went
   * wrong.
   * @throws OperatorError after the time limit
   */
  code: Promise<{ code: string; finish(outcome: { goTo: string } | { problem: string }): void }>;
  close(): Promise<void>;
}

export interface CodeReceiverOptions {
  manifest(redirectUrl: string): AppManifest;
  /** The address that the form is sent to, with `state` in it. */
  action(state: string): string;
  /** Random and unguessable. */
  newId(): string;
  limitMs: number;
}

/**
 * The local end of the manifest flow: a page with the form, and the address to which GitHub sends the browser back.
 *
 * Lifecycle: it listens on loopback from its creation; it accepts the first code with the right state and refuses
 * everything afterwards; `close` (or the time limit) ends it.
 *
 * Gotchas
 * - Other users of this machine can reach loopback too. A user who knew the state could send the code of an App of
 *   their own, so the page that contains the state is at an address that only the terminal shows.
 * - A name that points to 127.0.0.1 must not allow another web page to read ours: other Host headers are refused.
 * - Browsers ask a second time (reload, prefetch): the code can be used once, so only the first request gets it.
 */
export async function receiveCode(options: CodeReceiverOptions): Promise<CodeReceiver> {
  const secretPath = `/${options.newId()}`;
  const state = options.newId();
  const received = Promise.withResolvers<Awaited<CodeReceiver['code']>>();
  // If the caller closes before it awaits this promise, a rejection must not end the process.
  received.promise.catch(() => undefined);
  let taken = false;
  let port = 0;

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', `http://127.0.0.1:${port}`);
    if (request.method !== 'GET' || !isOurHost(request, port)) return refuse(response, 404);
    if (url.pathname === secretPath) {
      const manifest = options.manifest(`http://127.0.0.1:${port}/created`);
      return send(response, 200, manifestPage(options.action(state), manifest));
    }
    if (url.pathname === '/created') return take(url, response);
    return refuse(response, 404);
  });

  function take(url: URL, response: ServerResponse): void {
    const code = url.searchParams.get('code');
    if (taken || !code || !same(url.searchParams.get('state') ?? '', state)) {
      refuse(response, 403);
      return;
    }
    taken = true;
    received.resolve({
      code,
      finish(outcome) {
        if ('goTo' in outcome) response.writeHead(302, { location: outcome.goTo, connection: 'close' }).end();
        else send(response, 500, messagePage('The App could not be taken over', outcome.problem));
      },
    });
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  port = (server.address() as AddressInfo).port;
  const limit = setTimeout(() => {
    received.reject(
      new OperatorError(
        `Nobody confirmed the App on GitHub within ${Math.round(options.limitMs / 60_000)} minutes.`,
        'Run the same command again; if the App was made nevertheless, delete it on GitHub first.',
      ),
    );
  }, options.limitMs);

  return {
    address: `http://127.0.0.1:${port}${secretPath}`,
    port,
    code: received.promise.finally(() => clearTimeout(limit)),
    async close() {
      clearTimeout(limit);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Browsers open connections in advance and keep them; an answer that is being sent gets a second to arrive.
      const cut = setTimeout(() => server.closeAllConnections(), 1_000);
      await closed;
      clearTimeout(cut);
    },
  };
}

function isOurHost(request: IncomingMessage, port: number): boolean {
  return [`127.0.0.1:${port}`, `localhost:${port}`].includes(request.headers.host ?? '');
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refuse(response: ServerResponse, status: 403 | 404): void {
  const text = 'This address is used once, from the page whose address the terminal shows.';
  send(response, status, messagePage(status === 403 ? 'Refused' : 'Not here', text));
}

function send(response: ServerResponse, status: number, html: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    })
    .end(html);
}
