import * as v from 'valibot';
import { parseEnvironment } from '#settings/parse-environment';
import { entriesOf, fillIn } from '#settings/setting';
import { OperatorError } from '../terminal/operator-error.ts';
import { commandSettings } from './command-settings.ts';
import { type Environment, envFileOf } from './env-file.ts';
import { parseSettings, type Settings } from './settings.ts';

/**
 * The settings of a deployment, all of `.env`: the stack's settings and those that only the operator's commands read.
 * None is secret.
 *
 * Two of the stack's settings are not set by the operator: Cloudflare gives ACCESS_AUD once the Access application
 * exists, and the build of the agent gives AGENT_SHA256 (`stackSettings`).
 */
const operatorSchema = v.object(entriesOf(commandSettings));

export type OperatorSettings = Omit<
  v.InferOutput<typeof operatorSchema>,
  'WEBHOOK_HOST' | 'DASHBOARD_HOST'
> & {
  WEBHOOK_HOST: string;
  DASHBOARD_HOST: string;
};
/** The settings that are known before anything is deployed. */
export type DeploySettings = OperatorSettings & Omit<Settings, 'ACCESS_AUD' | 'AGENT_SHA256'>;

/** Placeholders for what is not known yet, so that the rest of the stack's settings can be checked. */
const derived = { ACCESS_AUD: '0'.repeat(64), AGENT_SHA256: '0'.repeat(64) };

/** The host names that are given, else those that are made from the deployment's id. */
export function hostsOf(
  deploymentId: string,
  zone: string,
  given: { WEBHOOK_HOST?: string | undefined; DASHBOARD_HOST?: string | undefined },
): { WEBHOOK_HOST: string; DASHBOARD_HOST: string } {
  const values = { DEPLOYMENT_ID: deploymentId, PREVIEW_ZONE: zone };
  return {
    WEBHOOK_HOST: given.WEBHOOK_HOST ?? fillIn(commandSettings.WEBHOOK_HOST.defaultFrom, values),
    DASHBOARD_HOST: given.DASHBOARD_HOST ?? fillIn(commandSettings.DASHBOARD_HOST.defaultFrom, values),
  };
}

/** @throws OperatorError that lists every problem of the whole file at once, by the variable's name */
export function parseDeploySettings(environment: Environment): DeploySettings {
  const operator = parseEnvironment(operatorSchema, environment);
  const stack = stackProblems({ ...environment, ...derived });
  if ('problems' in operator || typeof stack === 'string') {
    const problems = [
      ...('problems' in operator ? operator.problems : []),
      ...(typeof stack === 'string' ? [stack] : []),
    ];
    throw new OperatorError(
      `The settings of this deployment are not complete, or not right:\n${problems.join('\n')}`,
      `make setup asks for what is missing; ${envFileOf(environment)} has the rest, .env.example says what each may be.`,
    );
  }
  const { ACCESS_AUD: _, AGENT_SHA256: __, ...settings } = stack;
  const { DEPLOYMENT_ID, PREVIEW_ZONE } = settings;
  const hosts = hostsOf(DEPLOYMENT_ID, PREVIEW_ZONE, operator.values);
  for (const [name, host] of Object.entries(hosts)) {
    const problem = hostProblem(host, settings.PREVIEW_ZONE, settings.PREVIEW_SUFFIX);
    if (problem)
      throw new OperatorError(
        `${name} is ${host}, ${problem}`,
        `Set ${name} to one label and .${PREVIEW_ZONE}, or leave it empty.`,
      );
  }
  return { ...settings, ...operator.values, ...hosts };
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
