import type { DeploymentState, EnvironmentState, StatusState } from './environment.ts';
import { describeHeadline } from './headline.ts';
import { isUnfinished, isWanted } from './lifecycle.ts';
import { RETRIES_BEFORE_TELLING } from './limits.ts';
import { commentMarker, shortHash } from './names.ts';

/**
 * What people see of an environment: one comment, one commit status, one deployment. Pure; the same row
 * always gives the same view, so its digest tells whether anybody needs to be told.
 *
 * Everything that came from the pull request (log lines, messages) is untrusted text: it is shown inside a
 * code block that it cannot close, and mentions nobody.
 */
export interface View {
  /** Undefined: do not begin a comment (a draft, an unlisted repository), but keep an existing one true. */
  comment?: string;
  status?: { state: StatusState; description: string; url?: string };
  deployment?: { state: DeploymentState; description: string; url?: string };
}

export interface ViewContext {
  deploymentId: string;
  environment: string;
  urlTemplate: string;
  /** `eph/preview` may be a required check: what is declined gets a status too, or it could never be merged. */
  required: boolean;
}

/** GitHub's limit for both descriptions. */
const MAX_DESCRIPTION = 140;
const MAX_LOG_CHARACTERS = 6_000;
const MAX_WARNING_CHARACTERS = 500;
// Each cut may go through the middle of a character, and half of one cannot be sent.
const MAX_SENTENCE_CHARACTERS = 2_000;

export function describeEnvironment(state: EnvironmentState, context: ViewContext): View {
  const headline = describeHeadline(state);
  if (!headline) return {};
  const url = state.hostname ? urlOf(state.hostname, context) : undefined;
  const lines = [
    commentMarker(context.deploymentId, context.environment),
    `### ${headline.icon} ${headline.title}`,
    '',
    cut(headline.sentence),
    ...(headline.live && url ? ['', ...linkTable(state, context)] : []),
    ...failureBlock(state),
    ...retryBlock(state),
    ...warningBlock(state),
    ...factLine(state),
  ];
  const view: View = {};
  const quiet = headline.quiet && state.comment === undefined;
  if (!quiet) view.comment = `${lines.join('\n')}\n`;
  const status = headline.status ?? endedStatus(state, context);
  if (status) {
    view.status = {
      state: status,
      description: describe(headline.short),
      ...(headline.status === 'success' && url ? { url } : {}),
    };
  }
  if (headline.deployment) {
    view.deployment = {
      state: headline.deployment,
      description: describe(headline.short),
      ...(headline.deployment === 'success' && url ? { url } : {}),
    };
  }
  return view;
}

/** Comment, status and deployment each have their own digest: one that failed to be told is told again alone. */
export function digest(part: unknown): string {
  return shortHash(JSON.stringify(part ?? null));
}

export function isReportDue(state: EnvironmentState, view: View): boolean {
  // There is nobody to tell; whoever comes back is told anew.
  if (state.away) return false;
  return commentDue(state, view) || statusDue(state, view) || deploymentDue(state, view);
}

/** As if nobody had been told anything yet, but by whom: comment and deployment are the same ones. */
export function forgetTold(state: EnvironmentState): EnvironmentState {
  const { status: _told, ...rest } = state;
  return {
    ...rest,
    ...(state.comment && { comment: { ...state.comment, digest: '' } }),
    ...(state.deployment && { deployment: { ...state.deployment, state: 'pending' } }),
  };
}

export function commentDue(state: EnvironmentState, view: View): boolean {
  return view.comment !== undefined && state.comment?.digest !== digest(view.comment);
}

export function statusDue(state: EnvironmentState, view: View): boolean {
  if (!view.status || !state.pull) return false;
  return state.status?.sha !== state.pull.sha || state.status.digest !== digest(view.status);
}

export function deploymentDue(state: EnvironmentState, view: View): boolean {
  if (!view.deployment) return false;
  if (view.deployment.state === 'inactive') {
    return state.deployment !== undefined && state.deployment.state !== 'inactive';
  }
  return state.deployment?.sha !== deployedSha(state) || state.deployment?.state !== view.deployment.state;
}

/** The commit a GitHub deployment is about: what was ordered, and before any order the head. */
export function deployedSha(state: EnvironmentState): string | undefined {
  return state.order?.sha ?? state.pull?.sha;
}

function linkTable(state: EnvironmentState, context: ViewContext): string[] {
  // While a build is under way its services may still change, and each edit counts against GitHub's 80 a minute.
  const known = isUnfinished(state.order) ? [] : state.services;
  const services = known.filter((service) => !service.primary);
  const main = state.hostname ? urlOf(state.hostname, context) : '';
  if (services.length === 0) return [`**${main}**`];
  const primary = state.services.find((service) => service.primary);
  const rows = services.map(
    ({ name, path, hostname }) =>
      `| ${code(name)} | [${path}](${main}${path}) | [${hostname}](${urlOf(hostname, context)}) |`,
  );
  return [
    `**${main}**`,
    '',
    '| service | on the main address | at its own |',
    '|---|---|---|',
    ...(primary ? [`| ${code(primary.name)} | [/](${main}) | |`] : []),
    ...rows,
  ];
}

function failureBlock(state: EnvironmentState): string[] {
  const { failure } = state;
  if (!failure || failure.sha !== state.pull?.sha || !isWanted(state)) return [];
  const log = failure.log.join('\n').slice(-MAX_LOG_CHARACTERS).toWellFormed();
  // Inside `<summary>` GitHub reads HTML, not Markdown.
  const title = failure.service
    ? `Last lines of <code>${html(failure.service)}</code>`
    : 'Last lines of the log';
  return [
    '',
    `> ${plain(cut(failure.sentence))}`,
    ...(log ? ['', `<details><summary>${title}</summary>`, '', ...fence(log), '', '</details>'] : []),
  ];
}

function retryBlock(state: EnvironmentState): string[] {
  const [worst] = Object.values(state.retries).sort((a, b) => b.count - a.count);
  if (!worst || state.phase === 'queued' || worst.count < RETRIES_BEFORE_TELLING) return [];
  // The number of tries would be an edit of the comment for each of them.
  return ['', `> ${plain(cut(worst.sentence))} Eph goes on trying.`];
}

function warningBlock(state: EnvironmentState): string[] {
  const warnings = [...(state.settings?.hints ?? []), ...state.warnings];
  if (!isWanted(state) || warnings.length === 0) return [];
  const shown = warnings.slice(0, 10).map((warning) => cut(warning, MAX_WARNING_CHARACTERS));
  return ['', ...shown.map((warning) => `- ⚠️ ${plain(warning)}`)];
}

function factLine(state: EnvironmentState): string[] {
  if (!state.timings || !isWanted(state) || isUnfinished(state.order)) return [];
  const parts = Object.entries(state.timings).map(([stage, millis]) => `${stage} ${seconds(millis)}`);
  return parts.length > 0 ? ['', `<sub>${parts.join(' · ')}</sub>`] : [];
}

function urlOf(hostname: string, context: ViewContext): string {
  return context.urlTemplate.replace('{host}', hostname);
}

function seconds(millis: number | undefined): string {
  return `${((millis ?? 0) / 1_000).toFixed(1)} s`;
}

/**
 * Of what is not deployed (any more). A status that was begun must end, and must not lead to an address that is gone.
 * It says nothing against the commit, which may be part of the main branch by now, so it is no failure; what
 * failed stays so.
 */
function endedStatus(state: EnvironmentState, { required }: ViewContext): StatusState | undefined {
  if (isWanted(state) || !state.pull) return undefined;
  const told = state.status?.sha === state.pull.sha ? state.status : undefined;
  if (told) return told.state === 'failure' ? undefined : 'success';
  return required && state.decline && state.pull.state === 'open' ? 'success' : undefined;
}

/**
 * Descriptions are plain text: backticks would be shown as they are. GitHub refuses a status with a character
 * above U+FFFF (an emoji in a build step; https://github.com/ouzi-dev/commit-status-updater/issues/527).
 */
function describe(markdown: string): string {
  const text = markdown
    .replace(/[`\p{Cs}]|[\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1).toWellFormed()}…`;
}

/** Whoever wrote it: one text must not push the others, or the comment, over GitHub's limit. */
function cut(text: string, max = MAX_SENTENCE_CHARACTERS): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}

function code(text: string): string {
  return `\`${text.replace(/[`|\r\n]/g, ' ')}\``;
}

/**
 * One line that mentions nobody, links nothing and closes nothing it stands in. GitHub looks for mentions and
 * addresses in the text that Markdown and entities have become, so they are broken by a space of no width; so
 * is a first character that would begin a heading or a block of code.
 */
function plain(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .trim()
    .replace(/^(?!\p{Letter})/u, '\u200b')
    .replace(/[@#](?=\w)|&(?=[#\w])|\](?=[([])|:(?=\/\/)|www(?=\.)/g, '$&\u200b')
    .replace(/<(?=[!/?a-zA-Z])/g, '&lt;');
}

function html(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/@/g, '@\u200b');
}

/** A fence longer than any run of backticks inside it. */
function fence(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const marks = '`'.repeat(longest + 1);
  return [`${marks}text`, text, marks];
}
