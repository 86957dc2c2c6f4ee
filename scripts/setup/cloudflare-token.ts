import {
  type CloudflareAccount,
  type CloudflareClient,
  cloudflareClient,
} from '../../infra/cloudflare/cloudflare-account.ts';
import { deployPermissions, namesInForm } from '../../infra/cloudflare/permissions.ts';
import { probePermissions } from '../../infra/cloudflare/probe-permissions.ts';
import { howToSwitchOnZeroTrust, readOrganization } from '../../infra/cloudflare/read-organization.ts';
import { listZones, type ZoneFacts } from '../../infra/cloudflare/read-zone.ts';
import { type VerifiedToken, verifyToken } from '../../infra/cloudflare/verify-token.ts';
import type { ParameterStore } from '../../infra/deploy/parameter-store.ts';
import { type Environment, writeSetting } from '../../infra/settings/env-file.ts';
import { parameterNames } from '../../infra/settings/settings.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { explainToken } from './cloudflare-token-page.ts';
import { warnAboutZone } from './cloudflare-warnings.ts';
import { keepRuntimeToken } from './keep-runtime-token.ts';
import { requireDeploymentId } from './require-deployment-id.ts';

export interface CloudflareSetup {
  terminal: Terminal;
  /** The settings so far: the file's and the shell's. */
  environment: Environment;
  envFile: string;
  parameters: ParameterStore;
  /** The AWS account and region, in the form of `awsHome`. */
  home(): Promise<string>;
}

interface GivenToken {
  value: string;
  client: CloudflareClient;
  verified: VerifiedToken;
}

const DEFAULT_API = 'https://api.cloudflare.com/client/v4';

const unknown = 'Cloudflare does not know this token. It is shown once, when it is made.';
const unknownOrBlind =
  'Cloudflare does not know this token, or the token sees no zone: it needs "Zone: Read" on your zone. It is shown once, when it is made.';

/**
 * Everything about Cloudflare that a deploy must know: the deploy token, zone, account and team, and the narrower
 * token of the functions. A stored deploy token that works is not asked for again.
 *
 * @throws OperatorError for a problem that only a person can repair
 */
export async function setUpCloudflareToken(setup: CloudflareSetup): Promise<void> {
  const { terminal, environment, envFile, parameters } = setup;
  terminal.heading('Cloudflare');
  const deploymentId = requireDeploymentId(environment);
  const apiUrl = environment['CLOUDFLARE_API_URL'] ?? DEFAULT_API;
  const names = parameterNames(deploymentId);

  const token = await deployToken(setup, apiUrl, names.cloudflareDeployToken);
  const zone = await chooseZone(setup, token.client);
  const account: CloudflareAccount = { client: token.client, accountId: zone.accountId, zoneId: zone.id };
  await writeSetting(envFile, 'PREVIEW_ZONE', zone.name);
  await writeSetting(envFile, 'PREVIEW_ZONE_ID', zone.id);
  await writeSetting(envFile, 'CLOUDFLARE_ACCOUNT_ID', zone.accountId);
  terminal.mark('done', `Zone ${zone.name} of the account "${zone.accountName}"`);

  await requirePermissions(terminal, account);
  const given = environment['PREVIEW_ZONE'] === zone.name ? environment['PREVIEW_SUFFIX'] : undefined;
  await warnAboutZone(terminal, account, zone, { deploymentId, previewSuffix: given ?? `-pr.${zone.name}` });
  await findTeam(setup, account);

  await parameters.writeSecret(names.cloudflareDeployToken, token.value);
  terminal.mark('done', `The token is kept, encrypted, as ${names.cloudflareDeployToken}.`);
  const { owner } = token.verified;
  const home = await setup.home();
  await keepRuntimeToken({ terminal, parameters, names, apiUrl, account, owner, deploymentId, home });
}

/** The token in the environment, else the stored one, else a new one. */
async function deployToken(
  { terminal, environment, parameters }: CloudflareSetup,
  apiUrl: string,
  parameter: string,
): Promise<GivenToken> {
  const accountId = environment['CLOUDFLARE_ACCOUNT_ID'];
  const look = async (value: string): Promise<GivenToken | string> => {
    const client = cloudflareClient(apiUrl, value);
    const verified = await verifyToken(client, accountId);
    if (!verified) return accountId === undefined ? unknownOrBlind : unknown;
    if (verified.status !== 'active') return `The token is ${verified.status}.`;
    return { value, client, verified };
  };
  const kept = environment['CLOUDFLARE_API_TOKEN'] ? undefined : await parameters.read(parameter);
  if (kept) {
    const found = await look(kept);
    if (typeof found !== 'string') {
      terminal.mark('done', 'The token for deploying that is kept works.');
      return found;
    }
    terminal.mark('warning', `The token for deploying that is kept does not work: ${found}`);
  }
  if (!environment['CLOUDFLARE_API_TOKEN']) explainToken(terminal, environment['DEPLOYMENT_ID'] ?? '');
  const value = await terminal.askSecret({
    name: 'CLOUDFLARE_API_TOKEN',
    text: 'API token',
    check: async (answer) => {
      const found = await look(answer.trim());
      return typeof found === 'string' ? found : undefined;
    },
  });
  const found = await look(value.trim());
  if (typeof found === 'string') throw new OperatorError(found, 'Make a new one and run make setup again.');
  return found;
}

async function chooseZone(
  { terminal, environment }: CloudflareSetup,
  client: CloudflareClient,
): Promise<ZoneFacts> {
  const zones = await listZones(client);
  if (zones.length === 0) {
    throw new OperatorError(
      'The token sees no zone.',
      'Add a domain to the account (https://dash.cloudflare.com, Add a domain), or give the token its zone; then make setup again.',
    );
  }
  const known = zones.find((zone) => zone.name === environment['PREVIEW_ZONE']);
  if (known) return known;
  terminal.print(`The token sees ${zones.map(({ name }) => name).join(', ')}.`);
  const preset = zones.length === 1 ? zones[0]?.name : undefined;
  const name = await terminal.ask({
    name: 'PREVIEW_ZONE',
    text: 'Zone in which previews get their addresses (best one of its own)',
    ...(preset === undefined ? {} : { preset }),
    check: (answer) =>
      zones.some((zone) => zone.name === answer) ? undefined : `The token sees no zone ${answer}.`,
  });
  const zone = zones.find((candidate) => candidate.name === name);
  if (!zone)
    throw new OperatorError(
      `The token sees no zone ${name}.`,
      'Give the token this zone, or set PREVIEW_ZONE to another.',
    );
  return zone;
}

async function requirePermissions(terminal: Terminal, account: CloudflareAccount): Promise<void> {
  const missing = await probePermissions(account, deployPermissions);
  for (const permission of missing) {
    const { scope, purpose } = permission;
    terminal.mark('failed', `The token lacks ${namesInForm(permission)} (${scope}): ${purpose}.`);
  }
  if (missing.length > 0) {
    throw new OperatorError(
      `The Cloudflare token lacks ${missing.length === 1 ? 'a permission' : `${missing.length} permissions`}.`,
      'Add what is named above to the token in Cloudflare’s dashboard, which does not change its value, and run make setup again.',
    );
  }
  terminal.mark(
    'done',
    'The token may read everything that it shall change; whether it may change it shows in a deploy.',
  );
}

async function findTeam({ terminal, envFile }: CloudflareSetup, account: CloudflareAccount): Promise<void> {
  const organization = await readOrganization(account);
  if (!organization) {
    throw new OperatorError(
      'Zero Trust is not switched on for this account, and sign-in in front of previews belongs to it. Only a person can choose its plan.',
      howToSwitchOnZeroTrust,
    );
  }
  await writeSetting(envFile, 'ACCESS_TEAM', organization.team);
  terminal.mark('done', `Zero Trust team ${organization.team} (${organization.authDomain})`);
}
