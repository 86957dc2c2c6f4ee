import { readFile } from 'node:fs/promises';
import { convertV4MiniflareOptions, Miniflare, fetch as miniflareFetch, type Request } from 'miniflare';
import { MEANT_HOST } from '../cloudflare/meant-host.ts';

export interface RunningWorker {
  url: string;
  close(): Promise<void>;
}

export interface WorkerOptions {
  /** The bundle that would be uploaded. */
  bundle: string;
  bindings: Record<string, string>;
  port?: number;
  /** `host:port` for all its own requests over plain HTTP, told apart by `MEANT_HOST`; undefined means the network. */
  outbound?: string | undefined;
  log(line: string): void;
}

/** The values of worker/wrangler.jsonc. The flag is for Cloudflare's network; here `outbound` decides. */
export const compatibility = {
  compatibilityDate: '2026-10-15',
  compatibilityFlags: ['global_fetch_private_origin'],
};

/** The Worker in workerd, the engine it runs in at Cloudflare. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      name: 'eph',
      modules: [{ type: 'ESModule', path: 'index.js', contents: await readFile(options.bundle, 'utf8') }],
      ...compatibility,
      bindings: options.bindings,
      host: '127.0.0.1',
      port: options.port ?? 0,
      cf: false,
      // As at Cloudflare, a request to the Worker's own zone keeps the visitor's address.
      stripCfConnectingIp: false,
      ...(options.outbound ? { outboundService: sendTo(options.outbound) } : {}),
      handleStructuredLogs: ({ message }) => options.log(message),
    }),
  );
  const url = await worker.ready;
  return {
    url: url.origin,
    close: () => worker.dispose(),
  };
}

/** Miniflare's own fetch, because it carries WebSockets. */
function sendTo(host: string) {
  return (request: Request) => {
    const { pathname, search, host: meant } = new URL(request.url);
    const headers = [...request.headers].filter(([name]) => name !== 'host');
    return miniflareFetch(`http://${host}${pathname}${search}`, {
      method: request.method,
      headers: [...headers, [MEANT_HOST, meant]],
      redirect: 'manual',
      ...(request.body ? { body: request.body, duplex: 'half' } : {}),
    });
  };
}
