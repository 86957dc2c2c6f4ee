import * as v from 'valibot';
import { functionSettings } from '#settings/function-settings';
import { parseEnvironment, type Variables } from '#settings/parse-environment';
import { previewSuffix } from '#settings/preview-suffix';
import { entriesOf } from '#settings/setting';
import { stackOnlySettings } from './stack-only-settings.ts';

/**
 * What the stack is told when it is synthesised, in environment variables; `settings-table.ts` says what each may be.
 * None is secret: secrets are SecureString parameters, written by the deploy script, of which the stack knows only
 * the names (`parameterNames`).
 */
const schema = v.object({ ...entriesOf(functionSettings), ...entriesOf(stackOnlySettings) });

type ParsedSettings = v.InferOutput<typeof schema>;
export type Settings = Omit<ParsedSettings, 'PREVIEW_SUFFIX'> & { PREVIEW_SUFFIX: string };

/** Throws one Error that lists every problem, by the variable's name. Empty variables count as missing. */
export function parseSettings(environment: Variables): Settings {
  const parsed = parseEnvironment(schema, environment);
  if ('problems' in parsed) throw cannotBeMade(parsed.problems);
  const settings = parsed.values;
  const contradictions = contradictionsOf(settings);
  if (contradictions.length > 0) throw cannotBeMade(contradictions);
  return { ...settings, PREVIEW_SUFFIX: previewSuffix(settings.PREVIEW_SUFFIX, settings.PREVIEW_ZONE) };
}

function cannotBeMade(problems: readonly string[]): Error {
  return new Error(`The stack cannot be made from these settings:\n${problems.join('\n')}`);
}

/** Problems of settings that are valid alone but contradict each other. */
function contradictionsOf(settings: ParsedSettings): string[] {
  const problems: string[] = [];
  const { VPC_ID, SUBNET_IDS } = settings;
  if (VPC_ID && !SUBNET_IDS)
    problems.push('  SUBNET_IDS is not set, but VPC_ID is: a network of yours needs both');
  if (SUBNET_IDS && !VPC_ID)
    problems.push('  VPC_ID is not set, but SUBNET_IDS is: a network of yours needs both');
  if (VPC_ID && settings.BLOCK_PUBLIC_ACCESS_EXCLUSION) {
    problems.push(
      '  BLOCK_PUBLIC_ACCESS_EXCLUSION is for the network that Eph makes, but VPC_ID names yours',
    );
  }
  if (settings.MONTHLY_BUDGET_USD && !settings.ALARM_EMAIL) {
    problems.push('  ALARM_EMAIL is not set, but MONTHLY_BUDGET_USD is: nobody would hear of the budget');
  }
  return problems;
}

/** The name of the stack in CloudFormation; names that CloudFormation makes begin with it. */
export function stackName(deploymentId: string): string {
  return `eph-${deploymentId}`;
}

/**
 * Names in Parameter Store, all below one path of the deployment. Secrets are SecureStrings, written by
 * `make setup` and `make deploy`; the functions read those before the gap, hosts none.
 */
export function parameterNames(deploymentId: string) {
  const path = `/eph/${deploymentId}`;
  return {
    path,
    githubAppKey: `${path}/github-app-key`,
    /** The token for running Eph: tunnels and records. */
    cloudflareToken: `${path}/cloudflare-token`,
    /** Key of the hash that environment names are made with: without it they could be guessed. Never replaced. */
    nameKey: `${path}/name-key`,
    /** Id of the machine image; plain text, written when an image is baked. */
    image: `${path}/host-image`,
    imageArm64: `${path}/host-image-arm64`,
    /** The packer/pins.env with which the last image was made. */
    imagePins: `${path}/host-image-pins`,
    /** `no`, `launches` (no new hosts) or `everything` (hosts are put to sleep too); written by make pause. */
    paused: `${path}/paused`,
    /** Secrets of an application: `<repositorySecrets>/<repository id>/<NAME>`; written by make secret. */
    repositorySecrets: `${path}/repositories`,

    /** The token for deploying; only the operator's commands read it. */
    cloudflareDeployToken: `${path}/deploy/cloudflare-token`,
    /** Also read by the function that INGRESS=function-url makes. */
    webhookSecret: `${path}/deploy/webhook-secret`,
    /** The previous secret, while a rotation is under way. */
    webhookSecretPrevious: `${path}/deploy/webhook-secret-previous`,
    /** JSON {id, clientId, clientSecret} of the Access service token for programs (smoke, end-to-end test). */
    serviceToken: `${path}/deploy/service-token`,
  };
}

/**
 * Settings for a template that is read and not deployed: for the tests, and for the local platform, which puts its
 * own values into the functions' environment. `cdk synth -c placeholders=true` takes unset values from here.
 */
export const placeholderSettings: Record<string, string> = {
  DEPLOYMENT_ID: 'local',
  PREVIEW_ZONE: 'eph.localhost',
  PREVIEW_ZONE_ID: '0'.repeat(32),
  CLOUDFLARE_ACCOUNT_ID: '0'.repeat(32),
  ACCESS_TEAM: 'team',
  ACCESS_AUD: '0'.repeat(64),
  GITHUB_APP_ID: '1',
  AGENT_SHA256: '0'.repeat(64),
};
