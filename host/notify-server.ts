import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';

/**
 * Receives notifications: `eph-agent ring <generation>` (run by SSM) posts to a unix socket that only root can open.
 * A notification carries nothing but a number, and the work is read from the mailbox, so a forged or repeated one is
 * harmless.
 */
export interface NotifyServer {
  close(): Promise<void>;
}

export async function startNotifyServer(
  socket: string,
  onNotify: (generation: number) => void,
): Promise<NotifyServer> {
  await rm(socket, { force: true });
  const server = createServer((request, response) => {
    request.resume();
    const generation = Number(/^\/ring\/([0-9]{1,9})$/.exec(request.url ?? '')?.[1]);
    if (request.method !== 'POST' || !(generation > 0)) {
      response.writeHead(404).end('expected POST /ring/<generation>\n');
      return;
    }
    onNotify(generation);
    response.writeHead(200).end(`rung for generation ${generation}\n`);
  });
  const umask = process.umask(0o077);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(umask);
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
