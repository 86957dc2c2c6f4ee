import type { HostFailure } from '#core/mailbox';
import type { PreviewConfig } from '#core/preview-config';

/** What the proxy on the host answered to a health check. */
export type Answer =
  | { kind: 'answered'; status: number; byProxy: boolean; body: string }
  | { kind: 'silent'; problem: string };

export type AnswerVerdict = { ok: true; warning?: string } | { ok: false; why: string };

/**
 * Without `health_check.status`, any answer of the service itself below 500 will do: applications answer
 * `/` with redirects to a login, or with 404. Answers of development servers that refuse the preview's
 * hostname look fine by status, so they are read.
 */
export function judgeAnswer(answer: Answer, check: PreviewConfig['health_check']): AnswerVerdict {
  if (answer.kind === 'silent') return { ok: false, why: `does not answer (${answer.problem})` };
  if (answer.byProxy) return { ok: false, why: 'does not accept connections' };
  if (hostRefused(answer.body)) {
    return {
      ok: false,
      why: 'refuses the preview\'s hostname ("Invalid Host header"); allow it in the development server (Vite `server.allowedHosts`, webpack `devServer.allowedHosts: "all"`, Django `ALLOWED_HOSTS`, Rails `config.hosts`; the hostname is in `EPH_HOST`)',
    };
  }
  if (check.status !== undefined) {
    return answer.status === check.status
      ? { ok: true }
      : { ok: false, why: `answers ${answer.status} instead of ${check.status}` };
  }
  return answer.status < 500 ? { ok: true } : { ok: false, why: `answers ${answer.status}` };
}

function hostRefused(body: string): boolean {
  return /^Invalid Host header|Blocked request\. This host|DisallowedHost|Blocked hosts?:/i.test(
    body.slice(0, 4_000),
  );
}

/** `listening` are the addresses the container listens on, as far as they could be read. */
export function explainSilence(
  service: { name: string; port: number },
  path: string,
  why: string,
  seconds: number,
  listening: readonly { address: string; port: number }[],
  log: readonly string[],
): HostFailure {
  const at = `\`${service.name}\` runs, but after ${seconds} s port ${service.port} still ${why} (checked \`${path}\`).`;
  const failure = (code: string, hint: string): HostFailure => ({
    code,
    sentence: `${at}${hint}`,
    service: service.name,
    log: log.slice(-30),
  });
  const here = listening.find((socket) => socket.port === service.port);
  if (here && isLoopback(here.address)) {
    return failure(
      'listens-on-loopback',
      ` It listens on ${here.address} only, which nothing outside its container can reach: let it listen on 0.0.0.0.`,
    );
  }
  const others = [
    ...new Set(listening.filter((socket) => !isLoopback(socket.address)).map((socket) => socket.port)),
  ];
  if (!here && others.length > 0) {
    return failure(
      'nothing-listens',
      ` It listens on port ${others.slice(0, 5).join(', ')}: correct \`ports\` in the compose file, or name the port in eph.yaml (\`primary: ${service.name}:${others[0]}\`).`,
    );
  }
  if (!here && listening.length === 0) return failure('nothing-listens', ' It listens on no port.');
  return failure('health-check', ' See `health_check` in eph.yaml for another path, status or timeout.');
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
