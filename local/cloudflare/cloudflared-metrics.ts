/**
 * cloudflared's metrics server: /ready, /healthcheck and /metrics (the counters a supervisor looks at).
 * None of the counters has a hostname label, as in the original.
 */
import { createServer, type Server } from 'node:http';

export interface ConnectorState {
  connectorId: string;
  connections: number;
  configVersion: number;
  totalRequests: number;
  concurrentRequests: number;
  requestErrors: number;
  responsesByCode: Map<number, number>;
}

/** cloudflared's default: the first of these that is free. */
const DEFAULT_PORTS = [20_241, 20_242, 20_243, 20_244, 20_245];

/** Listens, and returns its address; rejects if the requested address is in use. */
export async function startMetrics(state: ConnectorState, address: string | undefined): Promise<Server> {
  if (address !== undefined) return listen(state, ...splitAddress(address));
  for (const port of DEFAULT_PORTS) {
    try {
      return await listen(state, 'localhost', port);
    } catch {
      // Another cloudflared on this machine uses the port; the next one is tried.
    }
  }
  return listen(state, 'localhost', 0);
}

function listen(state: ConnectorState, host: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '').split('?');
    if (path === '/ready') {
      const status = state.connections > 0 ? 200 : 503;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ status, readyConnections: state.connections, connectorId: state.connectorId }),
      );
    } else if (path === '/healthcheck') response.end('OK\n');
    else if (path === '/metrics') response.end(metricsText(state));
    else response.writeHead(404).end();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function splitAddress(address: string): [host: string, port: number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon) || '0.0.0.0', Number(address.slice(colon + 1))];
}

function metricsText(state: ConnectorState): string {
  const lines = [
    ...metric('cloudflared_tunnel_total_requests', 'counter', state.totalRequests),
    ...metric('cloudflared_tunnel_concurrent_requests_per_tunnel', 'gauge', state.concurrentRequests),
    ...metric('cloudflared_tunnel_request_errors', 'counter', state.requestErrors),
    ...metric('cloudflared_tunnel_ha_connections', 'gauge', state.connections),
    ...metric('cloudflared_orchestration_config_version', 'gauge', state.configVersion),
    '# TYPE cloudflared_tunnel_response_by_code counter',
    ...[...state.responsesByCode].map(
      ([code, count]) => `cloudflared_tunnel_response_by_code{status_code="${code}"} ${count}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function metric(name: string, type: 'counter' | 'gauge', value: number): string[] {
  return [`# TYPE ${name} ${type}`, `${name} ${value}`];
}
