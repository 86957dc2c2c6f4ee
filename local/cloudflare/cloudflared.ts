#!/usr/bin/env node
import { runConnector } from './cloudflared-connector.ts';
/**
 * An imitation of the cloudflared binary, with its command line:
 *
 *   cloudflared tunnel --no-autoupdate [--metrics ADDR] run --token-file F
 *   cloudflared --version
 *
 * EPH_LOCAL_EDGE (`http://10.x.0.1:port`) is the edge's address; there is nothing to look up in DNS.
 *
 * Lifecycle: one connection registers, then three more -> configuration pushed by the edge, live -> requests.
 * A connection that is lost or refused is tried again after a random time of up to 2, 4, 8 ... 64 s. If the
 * first registration fails `--retries` times (5), the process ends with 1, as a wrong secret does.
 * SIGTERM or SIGINT: no new requests; open ones may finish within `--grace-period` (30 s), then exit 0;
 * a second signal ends it at once.
 *
 * It runs on every host: keep its imports light, it has to be up within 300 ms.
 */
import { CLOUDFLARED_VERSION, readInvocation } from './cloudflared-options.ts';

function log(level: 'INF' | 'ERR', message: string): void {
  process.stderr.write(`${new Date().toISOString().replace(/\.\d+Z$/, 'Z')} ${level} ${message}\n`);
}

function main(): void {
  const invocation = readInvocation(process.argv.slice(2), process.env);
  if (invocation.kind === 'version') {
    console.log(`cloudflared version ${CLOUDFLARED_VERSION} (local stand-in)`);
    return;
  }
  if (invocation.kind === 'mistake') {
    console.error(invocation.sentence);
    process.exitCode = 255;
    return;
  }
  const edge = URL.parse(process.env['EPH_LOCAL_EDGE'] ?? '');
  if (!edge) {
    console.error('EPH_LOCAL_EDGE must be the address of the local edge, such as http://10.0.0.1:8000.');
    process.exitCode = 255;
    return;
  }
  runConnector({ ...invocation, edge, log }).catch((error: unknown) => {
    log('ERR', error instanceof Error ? error.message : String(error));
    process.exit(1);
  });
}

main();
