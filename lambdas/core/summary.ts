import { type Decline, declines } from './desired.ts';
import { type EnvironmentState, hasFailed } from './environment.ts';
import { describeHeadline, type Headline } from './headline.ts';
import { isUnfinished, isWanted } from './lifecycle.ts';
import { RETRIES_BEFORE_REPORTING } from './limits.ts';
import type { DeployStage, PublicService } from './report.ts';

/**
 * The current state in neutral terms, for everything that shows it to people: a forge, an interface, a page. Pure:
 * the same row always gives the same summary, so each of them can tell whether anything is new.
 *
 * Texts are in English, with code in backticks. Texts from the pull request or its machine (log lines, warnings,
 * sentences of failures) are untrusted: whatever shows them must make sure that they are displayed and do nothing else.
 */
export interface Summary extends Omit<Headline, 'live' | 'quiet'> {
  environment: string;
  /** The number of the pull request in its repository; undefined for an environment that is not of a pull request. */
  number?: number;
  /** Why nothing is deployed although the pull request is open. */
  declined?: Decline;
  /** Something exists, or will exist. */
  wanted: boolean;
  /** Nothing can be written to the repository any more. */
  archived: boolean;
  /** Newest commit of the pull request. */
  commit: string;
  /** The commit that the summary is about: the one sent to the host, and before that the newest one. */
  deployed: string;
  /** The main address, whether it is to be shown or not. */
  address?: string;
  links?: Links;
  /** What the machine has been waiting for, if it takes long. */
  doing?: { stage: string; waiting: string };
  failure?: { sentence: string; log: readonly string[]; service?: string };
  /** What is retried again and again. */
  retry?: string;
  warnings: readonly string[];
  timings: readonly { stage: string; millis: number }[];
  /** Nobody asked for a preview: report this only where an earlier report exists. */
  quiet: boolean;
  /** Merging may depend on a check of this commit, and nothing else will report its result. */
  mustAnswer: boolean;
}

export interface Links {
  main: string;
  /** The service that answers at the main address; named only if there are other services. */
  primary?: string;
  services: readonly ServiceLink[];
}

export interface ServiceLink {
  name: string;
  /** The path below the main address. */
  path: string;
  pathUrl: string;
  hostname: string;
  hostUrl: string;
  /** Which of the two addresses works for a page that knows neither. */
  first: 'path' | 'host';
}

export interface SummaryContext {
  environment: string;
  number?: number | undefined;
  urlTemplate: string;
  /** The main address leads to the environment, by what exists, not by what served once. Otherwise there is no link. */
  reachable: boolean;
  /** Eph's check may be a required one: a declined commit needs a result too, or it could never be merged. */
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
  // While a build is under way its services may still change, and each change would be a new report.
  const services = isUnfinished(state.order) ? [] : state.services;
  // The port number distinguishes two ports of one service.
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

/** The host reports it when something takes long, at most once a minute. */
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

/** Steps that are reported as retried even if nothing is to exist. */
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
  // With the number of tries in the text, each try would be a new report.
  return { retry: `${worst.sentence} Eph goes on trying.` };
}

function timingsOf(state: EnvironmentState): Summary['timings'] {
  if (!state.timings || !isWanted(state) || isUnfinished(state.order)) return [];
  return Object.entries(state.timings).map(([stage, millis]) => ({ stage, millis: millis ?? 0 }));
}
