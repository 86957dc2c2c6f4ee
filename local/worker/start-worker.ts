import { readFile } from 'node:fs/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

export interface RunningWorker {
  url: string;
  close(): Promise<void>;
}

export interface WorkerOptions {
  /** The bundle as it would be uploaded. */
  bundle: string;
  bindings: Record<string, string>;
  port?: number;
  log(line: string): void;
}

/** The Worker in workerd, the engine it runs in at Cloudflare. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      name: 'eph',
      modules: [{ type: 'ESModule', path: 'index.js', contents: await readFile(options.bundle, 'utf8') }],
      compatibilityDate: '2026-10-15',
      bindings: options.bindings,
      host: '127.0.0.1',
      port: options.port ?? 0,
      cf: false,
      handleStructuredLogs: ({ message }) => options.log(message),
    }),
  );
  const url = await worker.ready;
  return { url: url.origin, close: () => worker.dispose() };
}
