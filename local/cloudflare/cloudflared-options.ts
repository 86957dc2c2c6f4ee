import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** The release whose behaviour this imitates; `GET .../connections` shows it too. */
export const CLOUDFLARED_VERSION = '2026.8.2';

export type Invocation =
  | { kind: 'version' }
  | { kind: 'mistake'; sentence: string }
  | {
      kind: 'run';
      token: string;
      tunnelId: string;
      metrics: string | undefined;
      gracePeriodMs: number;
      retries: number;
    };

const flags = {
  version: { type: 'boolean', short: 'v' },
  'no-autoupdate': { type: 'boolean' },
  'no-prechecks': { type: 'boolean' },
  'edge-ip-version': { type: 'string' },
  protocol: { type: 'string' },
  loglevel: { type: 'string' },
  metrics: { type: 'string' },
  'grace-period': { type: 'string' },
  retries: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
} as const;

/**
 * cloudflared's command line as far as Eph uses it. Flags that only choose among Cloudflare's networks
 * (`--edge-ip-version`, `--protocol`, ...) are checked and have no effect: there is one edge here.
 * A token on the command line or in TUNNEL_TOKEN wins over a file.
 */
export function readInvocation(args: readonly string[], env: NodeJS.ProcessEnv): Invocation {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return mistake(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.version) return { kind: 'version' };
  if (positionals.join(' ') !== 'tunnel run') {
    return mistake(`cloudflared ${positionals.join(' ')}: the stand-in knows only "cloudflared tunnel run".`);
  }
  const ipVersion = values['edge-ip-version'] ?? env['TUNNEL_EDGE_IP_VERSION'] ?? 'auto';
  if (!['auto', '4', '6'].includes(ipVersion))
    return mistake(`edge-ip-version ${ipVersion} is not auto, 4 or 6.`);
  const protocol = values.protocol ?? env['TUNNEL_TRANSPORT_PROTOCOL'] ?? 'auto';
  if (!['auto', 'quic', 'http2'].includes(protocol))
    return mistake(`protocol ${protocol} is not auto, quic or http2.`);
  const gracePeriodMs = readSeconds(values['grace-period'] ?? env['TUNNEL_GRACE_PERIOD'] ?? '30s');
  if (gracePeriodMs === undefined || gracePeriodMs > 180_000) {
    return mistake('grace-period must be a duration of at most 3m, such as 30s.');
  }
  return withToken(values, env, {
    gracePeriodMs,
    retries: Number(values.retries ?? env['TUNNEL_RETRIES'] ?? 5),
    metrics: values.metrics ?? env['TUNNEL_METRICS'],
  });
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: flags, allowPositionals: true });
}

function withToken(
  values: { token?: string; 'token-file'?: string },
  env: NodeJS.ProcessEnv,
  rest: { gracePeriodMs: number; retries: number; metrics: string | undefined },
): Invocation {
  const file = values['token-file'] ?? env['TUNNEL_TOKEN_FILE'];
  let token = values.token ?? env['TUNNEL_TOKEN'];
  if (!token && file) {
    try {
      token = readFileSync(file, 'utf8').trim();
    } catch (error) {
      return mistake(`Failed to read token file: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (!token) return mistake('"cloudflared tunnel run" requires the tunnel token (--token, --token-file).');
  const tunnelId = readTunnelId(token);
  if (tunnelId === undefined) return mistake('Provided Tunnel token is not valid.');
  return { kind: 'run', token, tunnelId, ...rest };
}

function readTunnelId(token: string): string | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64').toString());
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('t' in value && 's' in value && 'a' in value)) return undefined;
    return typeof value.t === 'string' ? value.t : undefined;
  } catch {
    return undefined;
  }
}

function readSeconds(text: string): number | undefined {
  const [, minutes, seconds] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  if (minutes === undefined && seconds === undefined) return undefined;
  return (Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1_000;
}

function mistake(sentence: string): Invocation {
  return { kind: 'mistake', sentence };
}
