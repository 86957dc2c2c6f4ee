import type { Links, ServiceLink, Summary } from '#core/summary';

const MAX_LOG_CHARACTERS = 6_000;
const MAX_WARNING_CHARACTERS = 500;
const MAX_WARNINGS_SHOWN = 10;
// Each cut may go through the middle of a character, and half of one cannot be sent.
const MAX_SENTENCE_CHARACTERS = 2_000;

/** The comment is found again by this marker and by its author. */
export function commentMarker(deploymentId: string, environment: string): string {
  return `<!-- eph:${deploymentId}:${environment} -->`;
}

/**
 * The only comment of a pull request.
 *
 * Everything that came from the pull request (log lines, messages) is untrusted text: it is shown inside a
 * code block that it cannot close, and mentions nobody.
 */
export function renderComment(summary: Summary, marker: string): string {
  const lines = [
    marker,
    `### ${iconOf(summary)} ${summary.title}`,
    '',
    cut(summary.sentence),
    ...doingBlock(summary),
    ...linkTable(summary.links),
    ...failureBlock(summary),
    ...(summary.retry ? ['', `> ${plain(cut(summary.retry))}`] : []),
    ...warningBlock(summary),
    ...factLine(summary),
  ];
  return `${lines.join('\n')}\n`;
}

const icons: Record<Summary['state'], string> = {
  declined: '📄',
  removed: '⚫',
  asleep: '💤',
  paused: '⏳',
  queued: '⏳',
  waking: '🌅',
  building: '🔵',
  updating: '🔵',
  ready: '🟢',
  failed: '🔴',
};
const declineIcons: Partial<Record<string, string>> = { fork: '🔒', bot: '🤖', draft: '📝' };

function iconOf({ state, declined }: Summary): string {
  return (state === 'declined' && declined && declineIcons[declined]) || icons[state];
}

function doingBlock({ doing }: Summary): string[] {
  return doing ? ['', `> ${doing.stage}: ${plain(doing.waiting)}.`] : [];
}

function linkTable(links: Links | undefined): string[] {
  if (!links) return [];
  const { main, primary, services } = links;
  if (services.length === 0) return ['', `**${main}**`];
  return [
    '',
    `**${main}**`,
    '',
    '| service | at | and at |',
    '|---|---|---|',
    ...(primary ? [`| ${code(primary)} | [/](${main}) | |`] : []),
    ...services.map((service) => `| ${[code(service.name), ...linksOf(service)].join(' | ')} |`),
  ];
}

function linksOf({ path, pathUrl, hostname, hostUrl, first }: ServiceLink): string[] {
  const links = [`[${path}](${pathUrl})`, `[${hostname}](${hostUrl})`];
  return first === 'host' ? links.reverse() : links;
}

function failureBlock({ failure }: Summary): string[] {
  if (!failure) return [];
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

function warningBlock({ warnings }: Summary): string[] {
  if (warnings.length === 0) return [];
  const shown = warnings.slice(0, MAX_WARNINGS_SHOWN).map((warning) => cut(warning, MAX_WARNING_CHARACTERS));
  return ['', ...shown.map((warning) => `- ⚠️ ${plain(warning)}`)];
}

function factLine({ timings }: Summary): string[] {
  if (timings.length === 0) return [];
  const parts = timings.map(({ stage, millis }) => `${stage} ${(millis / 1_000).toFixed(1)} s`);
  return ['', `<sub>${parts.join(' · ')}</sub>`];
}

/** Whoever wrote the text, it must not displace the other texts, or make the comment longer than GitHub's limit. */
function cut(text: string, max = MAX_SENTENCE_CHARACTERS): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}

function code(text: string): string {
  return `\`${text.replace(/[`|\r\n]/g, ' ')}\``;
}

/**
 * One line that mentions nobody, links nothing and does not close its container. GitHub searches for mentions and
 * addresses in the text after it has applied Markdown and entities, so a space of no width breaks them; it also breaks
 * a first character that would begin a heading or a block of code.
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

/** A fence that is longer than any run of backticks inside it. */
function fence(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const marks = '`'.repeat(longest + 1);
  return [`${marks}text`, text, marks];
}
