import { variableSuffix } from '#core/names';
import type { MailboxSpec } from '../lambdas/providers/ec2/mailbox.ts';
import type { PlannedService } from './plan-services.ts';

/**
 * Variables that a preview gets.
 *
 * - All of them are there for interpolation (`${EPH_URL}`), through a second `--env-file` after the
 *   repository's own `.env`; so are `env` of eph.yaml and the repository's secrets.
 * - `injectedVariables` are also set inside the services that are public or built from the repository,
 *   unless the compose file sets them. Not `EPH_SHA` and `EPH_BRANCH`: a variable that changes with every
 *   push would restart services that did not change. Who wants them writes `GIT_SHA: ${EPH_SHA}`.
 */
type Variables = Record<string, string>;

export function publicUrl(spec: MailboxSpec, hostname: string): string {
  return spec.urlTemplate.replace('{host}', hostname).replace(/\/+$/, '');
}

export function interpolatedVariables(spec: MailboxSpec, services: readonly PlannedService[]): Variables {
  return {
    ...spec.config.env,
    ...spec.secrets,
    ...stableVariables(spec),
    ...addresses(spec, services),
    EPH_SHA: spec.source.sha,
    EPH_BRANCH: spec.branch,
  };
}

export function injectedVariables(spec: MailboxSpec, services: readonly PlannedService[]): Variables {
  return {
    ...spec.config.env,
    ...spec.secrets,
    ...stableVariables(spec),
    ...addresses(spec, services),
    ...hostCheckVariables(spec),
  };
}

function stableVariables(spec: MailboxSpec): Variables {
  return {
    EPH: '1',
    EPH_URL: publicUrl(spec, spec.hostname),
    EPH_HOST: spec.hostname,
    ...(spec.number === undefined ? {} : { EPH_PR_NUMBER: String(spec.number) }),
  };
}

/**
 * Addresses that a compose file uses, before it is known which services are public: the file must be readable to find
 * out. `texts` are the compose files; the values are replaced before anything is built or started.
 */
export function provisionalAddresses(spec: MailboxSpec, texts: readonly string[]): Variables {
  const used = texts.flatMap((text) => text.match(/\bEPH_(?:INTERNAL_)?URL_[A-Z0-9_]+/g) ?? []);
  return Object.fromEntries(used.map((name) => [name, publicUrl(spec, spec.hostname)]));
}

function addresses(spec: MailboxSpec, services: readonly PlannedService[]): Variables {
  const main = publicUrl(spec, spec.hostname);
  const found: Variables = {};
  for (const service of services) {
    const name = variableSuffix(service.name);
    // A further port of the same service has its number in the name.
    const suffix = `EPH_URL_${name}` in found ? `${name}_${service.port}` : name;
    found[`EPH_URL_${suffix}`] = service.path === '/' ? main : main + service.path;
    found[`EPH_INTERNAL_URL_${suffix}`] = `http://${service.upstream}`;
  }
  return found;
}

/**
 * Development servers refuse hostnames that they do not know. Vite (>= 6.0.9) and create-react-app accept a hostname
 * from a variable; for others, the health check's answer is explained (`judge-answer.ts`).
 */
function hostCheckVariables(spec: MailboxSpec): Variables {
  const dot = spec.hostname.indexOf('.');
  return {
    __VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS: dot < 0 ? spec.hostname : spec.hostname.slice(dot),
    DANGEROUSLY_DISABLE_HOST_CHECK: 'true',
  };
}

/** An env file that docker compose reads back as exactly these values. */
export function envFile(variables: Variables): string {
  return Object.entries(variables)
    .map(
      ([name, value]) =>
        `${name}="${value
          .replace(/[\\"$]/g, '\\$&')
          .replace(/\r/g, '\\r')
          .replace(/\n/g, '\\n')}"\n`,
    )
    .join('');
}
