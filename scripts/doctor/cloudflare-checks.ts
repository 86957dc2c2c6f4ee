import { accessNames } from '../../infra/cloudflare/access-names.ts';
import {
  type CloudflareAccount,
  cloudflareAccount,
  cloudflareClient,
} from '../../infra/cloudflare/cloudflare-account.ts';
import {
  type CloudflarePermission,
  deployPermissions,
  isMissing,
  namesInForm,
  needing,
  permissions,
  runtimePermissions,
} from '../../infra/cloudflare/permissions.ts';
import { probePermissions } from '../../infra/cloudflare/probe-permissions.ts';
import { howToSwitchOnZeroTrust, readOrganization } from '../../infra/cloudflare/read-organization.ts';
import { readZone, type ZoneFacts } from '../../infra/cloudflare/read-zone.ts';
import { verifyToken } from '../../infra/cloudflare/verify-token.ts';
import { countRecords } from '../setup/count-records.ts';
import { bad, type Check, good, NotChecked, type Verdict, warning } from './check.ts';
import type { Prerequisites } from './prerequisites.ts';

const DAY = 24 * 60 * 60 * 1000;
const SOON_MS = 21 * DAY;
/** Room for records that others add while the check is read. */
const FEW_RECORDS = 5;

/** The conditions at Cloudflare for a deploy, and the things there that expire. */
export function cloudflareChecks(known: Prerequisites): Check[] {
  const group = 'Cloudflare';
  return [
    { group, title: 'Token for deploying', run: () => checkDeployToken(known) },
    { group, title: 'Token for running', run: () => checkRuntimeToken(known) },
    { group, title: 'Zone', run: () => checkZone(known) },
    { group, title: 'Workers', run: () => checkWorkers(known) },
    { group, title: 'Zero Trust', run: () => checkTeam(known) },
    { group, title: 'Signing in', run: () => checkProviders(known) },
    { group, title: 'Service token', run: () => checkServiceToken(known) },
  ];
}

async function accountOf({ deployment, cloudflareToken }: Prerequisites): Promise<CloudflareAccount> {
  await cloudflareToken();
  return cloudflareAccount(deployment);
}

async function checkDeployToken(known: Prerequisites): Promise<Verdict[]> {
  const { cloudflare } = known.deployment;
  const token = await cloudflare.token().catch(() => {
    throw new NotChecked('there is none (make setup)');
  });
  const account = { ...cloudflare, client: cloudflareClient(cloudflare.apiUrl, token) };
  return checkToken(known, account, deployPermissions, {
    what: 'The Cloudflare token for deploying',
    fix: 'make setup asks for a new one.',
  });
}

async function checkRuntimeToken(known: Prerequisites): Promise<Verdict[]> {
  await known.aws();
  const { parameters, names, cloudflare } = known.deployment;
  const value = await parameters.read(names.cloudflareToken);
  if (!value) throw new NotChecked(`there is none at ${names.cloudflareToken} (make setup)`);
  const account = { ...cloudflare, client: cloudflareClient(cloudflare.apiUrl, value) };
  return checkToken(known, account, runtimePermissions, {
    what: 'The Cloudflare token for running',
    fix: 'make rotate WHAT=cloudflare-token',
  });
}

async function checkToken(
  { deployment }: Prerequisites,
  account: CloudflareAccount,
  wanted: readonly CloudflarePermission[],
  { what, fix }: { what: string; fix: string },
): Promise<Verdict[]> {
  const verified = await verifyToken(account.client, account.accountId);
  if (!verified) return [bad(`${what} is not known to Cloudflare.`, fix)];
  if (verified.status !== 'active') return [bad(`${what} is ${verified.status}.`, fix)];
  const missing = await probePermissions(account, wanted);
  return [
    ends(what, verified.expiresOn, deployment.now(), fix),
    ...missing.map((permission) =>
      bad(
        `${what} lacks ${namesInForm(permission)}: ${permission.purpose}.`,
        'Add it to the token in Cloudflare, or make setup.',
      ),
    ),
  ];
}

function ends(what: string, at: string | undefined, now: number, fix: string): Verdict {
  if (at === undefined) return good(`${what} is good and does not end`);
  const left = Date.parse(at) - now;
  const day = at.slice(0, 10);
  if (left <= 0) return bad(`${what} ended on ${day}.`, fix);
  return left < SOON_MS ? warning(`${what} ends on ${day}.`, fix) : good(`${what} is good until ${day}`);
}

async function checkZone(known: Prerequisites): Promise<Verdict[]> {
  const { settings } = known.deployment;
  const account = await accountOf(known);
  const zone = await readZone(account);
  if (zone.name !== settings.PREVIEW_ZONE) {
    return [
      bad(
        `PREVIEW_ZONE_ID is of the zone ${zone.name}, not of ${settings.PREVIEW_ZONE}.`,
        'make setup finds the right one.',
      ),
    ];
  }
  if (!zone.active) {
    return [
      bad(
        `The zone ${zone.name} is ${zone.status}: its names do not resolve yet.`,
        `At the registrar of ${zone.name}, name these servers: ${zone.nameServers.join(', ')}; Cloudflare then looks every few hours.`,
      ),
    ];
  }
  return [
    good(`The zone ${zone.name} is active, plan ${zone.plan}`),
    good(`Its certificate covers *.${zone.name}, so also *${settings.PREVIEW_SUFFIX}`),
    ...(await checkRecords(known, account, zone)),
  ];
}

async function checkRecords(
  { deployment }: Prerequisites,
  account: CloudflareAccount,
  { name, recordLimit }: ZoneFacts,
): Promise<Verdict[]> {
  const { DEPLOYMENT_ID, PREVIEW_SUFFIX } = deployment.settings;
  const { total, foreign } = await countRecords(account, {
    deploymentId: DEPLOYMENT_ID,
    previewSuffix: PREVIEW_SUFFIX,
  });
  return [budgetVerdict(total, recordLimit, name), ...foreignVerdicts(foreign, PREVIEW_SUFFIX)];
}

function budgetVerdict(total: number, limit: number, zone: string): Verdict {
  const text = `${total} of ${limit} DNS records of ${zone} are taken; an environment takes one for each public service`;
  const fix = 'Delete what is not needed, use a zone for previews alone, or a paid plan.';
  if (total >= limit - FEW_RECORDS) return bad(`${text}.`, fix);
  return total > limit * 0.8 ? warning(`${text}.`, fix) : good(text);
}

function foreignVerdicts(foreign: readonly string[], suffix: string): Verdict[] {
  if (foreign.length === 0) return [];
  const shown = foreign.slice(0, 5).join(', ');
  return [
    warning(
      `${foreign.length} names end like previews and are not ours (${shown}): the previews' sign-in stands in front of them.`,
      `Rename them, or set PREVIEW_SUFFIX to another ending than ${suffix}.`,
    ),
  ];
}

/**
 * An account gets its name under workers.dev when a person opens Workers for the first time; without one Cloudflare
 * may refuse the first script (10063). https://github.com/cloudflare/workers-sdk/issues/9045
 */
async function checkWorkers(known: Prerequisites): Promise<Verdict> {
  const { client, accountId } = await accountOf(known);
  try {
    await needing(permissions.workersScripts, async () =>
      client.workers.subdomains.get({ account_id: accountId }),
    );
    return good('Workers are in use in this account');
  } catch (error) {
    if (!isMissing(error)) throw error;
    return warning(
      'Nobody has opened Workers in this account yet; the upload of the Worker may be refused.',
      `Open it once, which gives the account its name under workers.dev: https://dash.cloudflare.com/${accountId}/workers-and-pages`,
    );
  }
}

async function checkTeam(known: Prerequisites): Promise<Verdict> {
  const { ACCESS_TEAM } = known.deployment.settings;
  const organization = await readOrganization(await accountOf(known));
  if (!organization) return bad('Zero Trust is not switched on in this account.', howToSwitchOnZeroTrust);
  if (organization.team === ACCESS_TEAM) return good(`Zero Trust is on, team ${ACCESS_TEAM}`);
  return bad(
    `The team of this account is ${organization.team}, ACCESS_TEAM is ${ACCESS_TEAM}: hosts would refuse every visitor.`,
    `ACCESS_TEAM=${organization.team} in the settings, then make deploy.`,
  );
}

async function checkProviders(known: Prerequisites): Promise<Verdict | Verdict[]> {
  const { ACCESS_ALLOW } = known.deployment.settings;
  const { client, accountId } = await accountOf(known);
  const types: string[] = [];
  for await (const { type } of client.zeroTrust.identityProviders.list({ account_id: accountId })) {
    types.push(type);
  }
  if (types.length === 0) {
    // A deploy adds the sign-in code by e-mail.
    await known.outputs();
    return bad(
      'There is no way to sign in: Access has no identity provider.',
      'make setup adds a code by e-mail.',
    );
  }
  const byGithub = ACCESS_ALLOW.filter((rule) => rule.startsWith('github:'));
  if (byGithub.length > 0 && !types.includes('github')) {
    return bad(
      `ACCESS_ALLOW has ${byGithub.join(', ')}, but people cannot sign in with GitHub.`,
      'make setup guides you through the OAuth App that it takes.',
    );
  }
  return [
    good(`People sign in with ${types.map((type) => wordFor[type] ?? type).join(', ')}`),
    // https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
    good(
      'A sign-in counts in its own browser only (binding cookie). Zaraz, Google tag gateway and sign-in by the Cloudflare One Client do not go with that: with them in the zone browsers end in ERR_TOO_MANY_REDIRECTS',
    ),
  ];
}

const wordFor: Record<string, string> = { onetimepin: 'a code by e-mail', github: 'GitHub' };

async function checkServiceToken(known: Prerequisites): Promise<Verdict[]> {
  const { settings, now } = known.deployment;
  const { client, accountId } = await accountOf(known);
  const { serviceToken: name } = accessNames(settings.DEPLOYMENT_ID);
  for await (const token of client.zeroTrust.access.serviceTokens.list({ account_id: accountId })) {
    if (token.name !== name) continue;
    const page = `https://one.dash.cloudflare.com/${accountId}/access/service-auth`;
    return [
      ends('The service token for programs', token.expires_at, now(), `Refresh "${name}" at ${page}`),
      good(
        'Programs send both of its headers with every request, CF-Access-Client-Id and CF-Access-Client-Secret: a cookie of an earlier one does not count',
      ),
    ];
  }
  throw new NotChecked(`there is none called "${name}" yet (make deploy)`);
}
