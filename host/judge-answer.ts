import type { PreviewConfig } from '#core/preview-config';
import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';
import { foldRepeats } from './fold-repeats.ts';
import type { ListeningSocket } from './listening-sockets.ts';
import { refusedHost } from './refused-host.ts';

/** What the proxy on the host answered to a health check. */
export type Answer =
  | {
      kind: 'answered';
      status: number;
      byProxy: boolean;
      /** The beginning of the body. */
      body: string;
      location?: string;
      /** The `Set-Cookie` headers, unchanged. */
      cookies?: readonly string[];
    }
  | { kind: 'silent'; problem: string };

export type AnswerVerdict =
  | { ok: true; warning?: string }
  | {
      ok: false;
      why: string;
      /** Whether the application itself answered, though not as wanted. */
      answered: boolean;
      /** Set where waiting does not help, but only another commit or setting. */
      code?: 'host-refused' | 'redirect-loop' | 'redirect-nowhere' | 'speaks-tls';
    };

/**
 * Without `health_check.status`, any answer of the service itself below 500 is accepted: applications answer `/` with
 * 404 or a login page. Pages that refuse the preview's hostname have an ordinary status, so their text is read.
 */
export function judgeAnswer(answer: Answer, status: PreviewConfig['health_check']['status']): AnswerVerdict {
  if (answer.kind === 'silent')
    return { ok: false, answered: false, why: `does not answer (${answer.problem})` };
  if (answer.byProxy) return { ok: false, answered: false, why: 'does not accept connections' };
  if (status !== undefined && answer.status === status) return { ok: true };
  const allowIn = refusedHost(answer.status, answer.body);
  if (allowIn) {
    return {
      ok: false,
      answered: true,
      code: 'host-refused',
      why: `answers ${answer.status} and refuses the preview's hostname: allow it in ${allowIn}. The name is in \`EPH_HOST\``,
    };
  }
  if (answer.status === 400 && toldToUseTls.test(answer.body))
    return { ok: false, answered: true, code: 'speaks-tls', why: tlsAdvice };
  const wrong = (why: string): AnswerVerdict => ({ ok: false, answered: true, why });
  if (status !== undefined) return wrong(`answers ${answer.status} instead of ${status}`);
  if (answer.status >= 500) return wrong(`answers ${answer.status}`);
  return { ok: true, ...suspicion(answer) };
}

/**
 * The answers of nginx, Go's server and Apache to plain HTTP where they expect TLS. Other servers just close the
 * connection.
 */
const toldToUseTls =
  /plain HTTP request was sent to HTTPS port|sent an HTTP request to an HTTPS server|speaking plain HTTP to an SSL-enabled/i;

export const tlsAdvice =
  'speaks TLS, and is reached by plain HTTP on this port: let it speak HTTP there, or on another port that `primary` or `routes` in eph.yaml name. Visitors come by https all the same';

/**
 * Pages that may be meant. A proxy inside the project that has pages for its own names only answers like this:
 * Traefik and nginx with 404, Caddy with an empty page, Rails' check of hostnames in production with an empty 403.
 */
function suspicion({ status, body }: Extract<Answer, { kind: 'answered' }>): { warning?: string } {
  const empty = body.trim() === '';
  const odd = status === 404 || (empty && (status === 200 || status === 403));
  if (!odd) return {};
  const what = status === 404 ? 'answers 404' : `answers ${status} with an empty page`;
  return {
    warning: `${what}. If it has pages for certain hostnames only (\`Host(...)\` of Traefik, \`server_name\`, \`config.hosts\`), add the one in \`EPH_HOST\`; if the application is another service, name that as \`primary\` in eph.yaml.`,
  };
}

/** Whether the service's only port is open on 127.0.0.1 alone: waiting does not change that. */
export function listensOnLoopback(
  port: number,
  listening: readonly ListeningSocket[],
): ListeningSocket | undefined {
  const here = listening.filter((socket) => socket.port === port);
  return here.every((socket) => isLoopback(socket.address)) ? here[0] : undefined;
}

export interface Silence {
  service: { name: string; port: number };
  /** The path that was asked for. */
  path: string;
  verdict: Extract<AnswerVerdict, { ok: false }>;
  /** How many seconds the check has waited. */
  seconds: number;
  /** Where the container listens, as far as it could be read. */
  listening: readonly ListeningSocket[];
  log: readonly string[];
}

export function explainSilence({ service, path, verdict, seconds, listening, log }: Silence): HostFailure {
  const failure = (code: string, sentence: string): HostFailure => ({
    code,
    sentence,
    service: service.name,
    log: foldRepeats(log).slice(-30),
  });
  if (verdict.code)
    return failure(verdict.code, `\`${service.name}\` runs, but at \`${path}\` it ${verdict.why}.`);
  const at = `\`${service.name}\` runs, but after ${seconds} s port ${service.port} still ${verdict.why} (checked \`${path}\`).`;
  const settings = 'See `health_check` in eph.yaml for another path, status or timeout.';
  // A service that answers is listening, whatever could be read of its sockets.
  if (verdict.answered) return failure('health-check', `${at} ${settings}`);
  const loopback = listensOnLoopback(service.port, listening);
  if (loopback) return failure('listens-on-loopback', `${at} ${loopbackAdvice(loopback)}`);
  const here = listening.some((socket) => socket.port === service.port);
  const others = [
    ...new Set(listening.filter((socket) => !isLoopback(socket.address)).map((socket) => socket.port)),
  ];
  if (!here && others.length > 0) {
    return failure(
      'nothing-listens',
      `${at} It listens on port ${others.slice(0, 5).join(', ')}: correct \`ports\` in the compose file, or name the port in eph.yaml (\`primary: ${service.name}:${others[0]}\`).`,
    );
  }
  if (!here && listening.length === 0) return failure('nothing-listens', `${at} It listens on no port.`);
  return failure('health-check', `${at} ${settings}`);
}

export function loopbackAdvice({ address }: ListeningSocket): string {
  return `It listens on ${address} only, which nothing outside its container can reach: let it listen on 0.0.0.0.`;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
