import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { isAccessItem } from '../cloudflare/access-rules.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import { type Environment, envFileOf } from './env-file.ts';
import { parseSettings, type Settings, settingsSchema } from './settings.ts';

/**
 * What a deployment is told, all of `.env`: the stack's settings (`infra/settings/settings.ts`) and those that only
 * the operator's commands read, given here. None is secret.
 *
 * Two of the stack's settings are not the operator's to give: ACCESS_AUD is told by Cloudflare once the Access
 * application is there, AGENT_SHA256 by the build of the agent (`stackSettings`).
 */
const hostname = v.pipe(
  v.string(),
  v.regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, 'is a host name in lower case'),
);
const httpUrl = v.pipe(v.string(), v.url('is a URL'), v.regex(/[^/]$/, 'has no slash at the end'));

const operatorSchema = v.object({
  AWS_REGION: v.pipe(v.string(), v.regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'looks like eu-central-1')),
  /** Who deploys: `role` is eph-<id>-deployer, which make setup made. */
  AWS_DEPLOYER: v.optional(v.picklist(['self', 'role'], 'is self or role'), 'self'),
  /** Whose GitHub Actions may deploy with that role (`.github/workflows/deploy.yml`); read by make setup. */
  DEPLOY_REPOSITORY: v.optional(
    v.pipe(v.string(), v.regex(/^[\w.-]+\/[\w.-]+$/, 'is a repository like acme/eph')),
  ),
  /** Who may open previews and the dashboard: `ada@acme.dev`, `@acme.dev`, `github:acme`, `github:acme/web`. */
  ACCESS_ALLOW: v.pipe(
    commaList,
    v.minLength(1, 'names at least one person, domain or GitHub organisation'),
    v.everyItem(isAccessItem, 'has items like ada@acme.dev, @acme.dev, github:acme or github:acme/web'),
  ),
  /** How long a sign-in lasts; membership is only looked at when it begins. */
  ACCESS_SESSION: v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d*[mh]$/, 'looks like 8h or 30m')), '8h'),
  /** Where GitHub delivers. Not behind Access: the Worker checks GitHub's signature. */
  WEBHOOK_HOST: v.optional(hostname),
  DASHBOARD_HOST: v.optional(hostname),
  /** Organisation or person that owns the GitHub App. */
  GITHUB_OWNER: v.pipe(v.string(), v.regex(/^[\w-]+$/, 'is the login of an organisation or a person')),
  /** The App's name in its address, github.com/apps/<slug>. */
  GITHUB_APP_SLUG: v.pipe(v.string(), v.regex(/^[\w-]+$/, 'is the last part of github.com/apps/...')),
  GITHUB_URL: v.optional(httpUrl, 'https://github.com'),
  /** `baked`: an image made with Packer. `stock`: Amazon Linux 2023, provisioned at each first boot (slower). */
  HOST_IMAGE: v.optional(v.picklist(['baked', 'stock'], 'is baked or stock'), 'baked'),
  /** Whether `arch: arm64` in eph.yaml is served, which takes an image of its own. */
  ARM64: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(true|false)$/, 'is true or false'),
      v.transform((it) => it === 'true'),
    ),
    'false',
  ),
});

export type OperatorSettings = Omit<
  v.InferOutput<typeof operatorSchema>,
  'WEBHOOK_HOST' | 'DASHBOARD_HOST'
> & {
  WEBHOOK_HOST: string;
  DASHBOARD_HOST: string;
};
/** Known before anything is deployed. */
export type DeploySettings = OperatorSettings & Omit<Settings, 'ACCESS_AUD' | 'AGENT_SHA256'>;

/** Of all settings, as `.env.example` has them. */
export const settingNames: readonly string[] = [
  ...Object.keys(operatorSchema.entries),
  ...Object.keys(settingsSchema.entries),
];

/** Stand for what is not known yet, so that the rest of the stack's settings can be checked. */
const derived = { ACCESS_AUD: '0'.repeat(64), AGENT_SHA256: '0'.repeat(64) };

/** Host names that are given, else those that are made from the deployment's id. */
export function hostsOf(
  deploymentId: string,
  zone: string,
  given: { WEBHOOK_HOST?: string | undefined; DASHBOARD_HOST?: string | undefined },
): { WEBHOOK_HOST: string; DASHBOARD_HOST: string } {
  return {
    WEBHOOK_HOST: given.WEBHOOK_HOST ?? `eph-${deploymentId}-hooks.${zone}`,
    DASHBOARD_HOST: given.DASHBOARD_HOST ?? `eph-${deploymentId}.${zone}`,
  };
}

/** @throws OperatorError that lists every problem of the whole file at once, by the variable's name */
export function parseDeploySettings(environment: Environment): DeploySettings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value));
  const operator = v.safeParse(operatorSchema, given);
  const problems = (operator.issues ?? []).map((issue) => {
    const name = String(issue.path?.[0]?.key ?? 'settings');
    return given[name] === undefined
      ? `  ${name} is not set`
      : `  ${name} must be a value that ${issue.message}`;
  });
  const stack = stackProblems({ ...given, ...derived });
  if (typeof stack === 'string') problems.push(stack);
  if (!operator.success || typeof stack === 'string') {
    throw new OperatorError(
      `The settings of this deployment are not complete, or not right:\n${problems.join('\n')}`,
      `make setup asks for what is missing; ${envFileOf(environment)} has the rest, .env.example says what each may be.`,
    );
  }
  const { ACCESS_AUD: _, AGENT_SHA256: __, ...settings } = stack;
  const { DEPLOYMENT_ID, PREVIEW_ZONE } = settings;
  const hosts = hostsOf(DEPLOYMENT_ID, PREVIEW_ZONE, operator.output);
  for (const [name, host] of Object.entries(hosts)) {
    const problem = hostProblem(host, settings.PREVIEW_ZONE, settings.PREVIEW_SUFFIX);
    if (problem)
      throw new OperatorError(
        `${name} is ${host}, ${problem}`,
        `Set ${name} to one label and .${PREVIEW_ZONE}, or leave it empty.`,
      );
  }
  return { ...settings, ...operator.output, ...hosts };
}

function hostProblem(host: string, zone: string, previewSuffix: string): string | undefined {
  if (!host.endsWith(`.${zone}`)) return `which is not in the zone ${zone}.`;
  // https://developers.cloudflare.com/ssl/edge-certificates/universal-ssl/limitations/
  if (host.slice(0, -zone.length - 1).includes('.')) {
    return `but the zone's free certificate covers one label before ${zone} only.`;
  }
  if (host.endsWith(previewSuffix)) return `which the previews' *${previewSuffix} covers, sign-in included.`;
  return undefined;
}

/** The stack's settings, as `infra/settings/settings.ts` parses them; a string: the lines of its problems. */
function stackProblems(environment: Environment): Settings | string {
  try {
    return parseSettings(environment);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.message.replace(/^.*:\n/, '').replace(/^(?! )/, '  ');
  }
}
