import { type Decline, declines } from './desired.ts';
import { type EnvironmentState, hasFailed } from './environment.ts';
import { describeHeadline, type Headline } from './headline.ts';
import { isUnfinished, isWanted } from './lifecycle.ts';
import { RETRIES_BEFORE_REPORTING } from './limits.ts';
import type { DeployStage, PublicService } from './report.ts';

/**
 * What is so, in neutral words, for whoever shows it to people: where pull requests live, an interface, a page. Pure;
 * the same row always gives the same summary, so whoever shows it can tell whether anything is new.
 *
 * Texts are in English, with code in backticks. What came from the pull request or its machine (log lines, warnings,
 * sentences of failures) is untrusted: whoever shows it sees to it that it does nothing but stand there.
 */
export interface Summary extends Omit<Headline, 'live' | 'quiet'> {
  environment: string;
  /** The pull request's, in its repository; undefined for what is none. */
  number?: number;
  /** Why nothing is deployed, where the pull request itself is open. */
  declined?: Decline;
  /** Something is there, or is to be there. */
  wanted: boolean;
  /** Nothing can be written there any more. */
  archived: boolean;
  /** Newest commit of the pull request. */
  commit: string;
  /** The commit that all this is about: what the host was told to deploy, and before that the newest. */
  deployed: string;
  /** The main one, whether it is to be shown or not. */
  address?: string;
  links?: Links;
  /** What the machine has been waiting for for a while. */
  doing?: { stage: string; waiting: string };
  failure?: { sentence: string; log: readonly string[]; service?: string };
  /** What is tried again and again. */
  retry?: string;
  warnings: readonly string[];
  timings: readonly { stage: string; millis: number }[];
  /** Nobody asked: only worth saying where something was said before. */
  quiet: boolean;
  /** Merging may depend on a check of this commit, which nothing else will answer. */
  mustAnswer: boolean;
}

export interface Links {
  main: string;
  /** The service that answers at the main address; only told beside others. */
  primary?: string;
  services: readonly ServiceLink[];
}

export interface ServiceLink {
  name: string;
  /** Below the main address. */
  path: string;
  pathUrl: string;
  hostname: string;
  hostUrl: string;
  /** Which of the two works for a page that knows nothing of either. */
  first: 'path' | 'host';
}

export interface SummaryContext {
  environment: string;
  number?: number | undefined;
  urlTemplate: string;
  /** The main address leads to the environment: by what is known to exist, not by what served once. No link without it. */
  reachable: boolean;
  /** Eph's check may be a required one: what is declined gets an answer too, or it could never be merged. */
  required: boolean;
}

/** Undefined: nothing is known of the pull request yet. */
export function summarize(state: EnvironmentState, context: SummaryContext): Summary | undefined {
  const { pull } = state;
  const headline = describeHeadline(state, context.reachable);
  if (!pull || !headline) return undefined;
  const { live, quiet = false, ...words } = headline;
  const wanted = isWanted(state);
  const declined = declinedOf(state);
  return {
    ...words,
    environment: context.environment,
    ...(context.number === undefined ? {} : { number: context.number }),
    ...(declined ? { declined } : {}),
    wanted,
    archived: pull.archived,
    commit: pull.sha,
    deployed: state.order?.sha ?? pull.sha,
    ...(state.hostname ? { address: urlOf(state.hostname, context) } : {}),
    ...(live && context.reachable && state.hostname
      ? { links: linksOf(state, state.hostname, context) }
      : {}),
    ...doingOf(state),
    ...failureOf(state),
    ...retryOf(state),
    warnings: wanted ? [...(state.settings?.hints ?? []), ...state.warnings] : [],
    timings: timingsOf(state),
    quiet,
    mustAnswer: context.required && declined !== undefined,
  };
}

function declinedOf({ wanted }: EnvironmentState): Decline | undefined {
  return declines.find((decline) => decline === wanted?.reason);
}

function linksOf(state: EnvironmentState, hostname: string, context: SummaryContext): Links {
  const main = urlOf(hostname, context);
  // While a build is under way its services may still change, and each change would be told.
  const services = isUnfinished(state.order) ? [] : state.services;
  // Two ports of one service are told apart by the number.
  const nameOf = ({ name, port }: PublicService) =>
    services.filter((other) => other.name === name).length > 1 ? `${name}:${port}` : name;
  const primary = services.find((service) => service.primary);
  return {
    main,
    ...(primary ? { primary: nameOf(primary) } : {}),
    services: services
      .filter((service) => !service.primary)
      .map((service) => ({
        name: nameOf(service),
        path: service.path,
        pathUrl: `${main}${service.path}`,
        hostname: service.hostname,
        hostUrl: urlOf(service.hostname, context),
        first: service.ownHost ? 'host' : 'path',
      })),
  };
}

function urlOf(hostname: string, { urlTemplate }: SummaryContext): string {
  return urlTemplate.replace('{host}', hostname);
}

const stageNames: Record<DeployStage, string> = {
  fetching: 'Fetching the source',
  planning: 'Reading the compose file',
  pulling: 'Pulling images',
  building: 'Building',
  starting: 'Starting the containers',
  checking: 'Checking',
};

/** Said by the host when something takes long, at most once a minute. */
function doingOf(state: EnvironmentState): Pick<Summary, 'doing'> {
  const { order, pull } = state;
  if (!isUnfinished(order) || !order.doing || order.sha !== pull?.sha || hasFailed(state, pull.sha))
    return {};
  const { stage, waiting } = order.doing;
  return { doing: { stage: stageNames[stage], waiting } };
}

function failureOf(state: EnvironmentState): Pick<Summary, 'failure'> {
  const { failure } = state;
  if (!failure || failure.sha !== state.pull?.sha || !isWanted(state)) return {};
  const { sentence, log, service } = failure;
  return { failure: { sentence, log, ...(service ? { service } : {}) } };
}

/** What is tried, too, when nothing is to be there. */
const takesAway: readonly string[] = [
  'ask-forge',
  'observe',
  'report',
  'stop-host',
  'terminate-host',
  'withdraw-address',
];

function retryOf(state: EnvironmentState): Pick<Summary, 'retry'> {
  const wanted = isWanted(state);
  const [worst] = Object.entries(state.retries)
    .filter(([step]) => wanted || takesAway.includes(step))
    .map(([, retry]) => retry)
    .sort((a, b) => b.count - a.count);
  if (!worst || state.phase === 'queued' || worst.count < RETRIES_BEFORE_REPORTING) return {};
  // The number of tries would be news each time.
  return { retry: `${worst.sentence} Eph goes on trying.` };
}

function timingsOf(state: EnvironmentState): Summary['timings'] {
  if (!state.timings || !isWanted(state) || isUnfinished(state.order)) return [];
  return Object.entries(state.timings).map(([stage, millis]) => ({ stage, millis: millis ?? 0 }));
}
