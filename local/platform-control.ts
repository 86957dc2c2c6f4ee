import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';

/** Gets the JSON of the request and returns a value for the JSON of the answer; undefined means 404. */
export type ControlAnswer = (body: unknown) => unknown;

/**
 * The control server of a running local platform: it does what a person at AWS' console could do (run the cleanup
 * now, count what exists), and what CDK and wrangler do at the real vendors (`deploy-tools.ts`). It listens on
 * loopback only.
 */
export interface PlatformControl {
  url: string;
  /** Sets the answer to a route such as `POST /stack`; the last one wins. */
  on(route: string, answer: ControlAnswer): void;
  close(): void;
}

export async function openPlatformControl(): Promise<PlatformControl> {
  const routes = new Map<string, ControlAnswer>();

  async function answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const route = `${request.method} ${request.url}`;
    const known = routes.get(route);
    if (!known) return { status: 404, body: { error: `There is ${[...routes.keys()].join(', ')}.` } };
    const given = await readAll(request);
    const body = await known(given === '' ? undefined : JSON.parse(given));
    return body === undefined
      ? { status: 404, body: { error: 'There is none.' } }
      : { status: 200, body: body ?? {} };
  }

  const server = createServer((request, reply) => {
    answer(request).then(
      ({ status, body }) => {
        reply.statusCode = status;
        reply.end(`${JSON.stringify(body)}\n`);
      },
      (error: unknown) => {
        reply.statusCode = 500;
        reply.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    on: (route, given) => void routes.set(route, given),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
