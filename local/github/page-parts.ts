import { html, raw } from 'hono/html';
import type { CommitInfo } from './git-store.ts';
import type { Account, CommitStatus, Deployment, PullRequest } from './github-state.ts';
import { renderMarkdown } from './markdown.ts';
import { pageScript, pageStyle } from './page-assets.ts';

type Markup = ReturnType<typeof html>;

export function stateBadge(pull: PullRequest): Markup {
  const state =
    pull.mergedAt !== null ? 'merged' : pull.state === 'open' && pull.draft ? 'draft' : pull.state;
  return html`<span class="badge ${state}">${state}</span>`;
}

/** A time that the page's script shows as "2 minutes ago" and updates. */
export function moment(epochMs: number): Markup {
  const iso = new Date(epochMs).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(11, 19)} UTC</time>`;
}

export function commentBox(
  author: Account,
  createdAt: number,
  updatedAt: number,
  body: string,
  id: number | undefined,
): Markup {
  const isBot = author.type === 'Bot';
  return html`<article class="comment${isBot ? ' bot' : ''}" ${id === undefined ? '' : raw(`id="issuecomment-${id}"`)}>
    <header><b>${author.login.replace('[bot]', '')}</b> ${isBot ? html`<span class="pill">bot</span>` : ''}
      <span class="quiet">commented ${moment(createdAt)}${updatedAt === createdAt ? '' : html`, edited ${moment(updatedAt)}`}</span></header>
    <div class="markdown">${
      body.trim() === '' ? html`<p class="quiet">No description provided.</p>` : raw(renderMarkdown(body))
    }</div>
  </article>`;
}

export function commitList(commits: readonly CommitInfo[]): Markup {
  return html`<ul class="commits">${commits.map(
    (commit) =>
      html`<li><span class="dot"></span>${commit.message.split('\n')[0]} <code>${commit.sha.slice(0, 7)}</code></li>`,
  )}</ul>`;
}

const marks: Record<CommitStatus['state'], string> = { success: '✓', failure: '✗', error: '✗', pending: '●' };

/** The newest status of each context on the head commit. */
export function checksBox(pull: PullRequest, statuses: readonly CommitStatus[]): Markup {
  return html`<section class="box"><h2>Checks</h2>
    <p class="quiet">on <code>${pull.headSha.slice(0, 7)}</code></p>
    ${statuses.length === 0 ? html`<p class="quiet">None yet.</p>` : ''}
    <ul>${statuses.map(
      (status) =>
        html`<li><span class="mark ${status.state}">${marks[status.state]}</span>
          <span><b>${status.context}</b> <span class="quiet">${status.description ?? ''}</span>
          ${status.targetUrl === null ? '' : html`<a href="${status.targetUrl}">Details</a>`}</span></li>`,
    )}</ul></section>`;
}

export function deploymentBox(
  deployments: readonly Deployment[],
  stateOf: (deployment: Deployment) => string,
): Markup {
  return html`<section class="box"><h2>Deployments</h2>
    ${deployments.length === 0 ? html`<p class="quiet">None yet.</p>` : ''}
    <ul>${[...deployments].reverse().map((one) => deploymentLine(one, stateOf(one)))}</ul></section>`;
}

function deploymentLine(deployment: Deployment, state: string): Markup {
  const newest = deployment.statuses.at(-1);
  const url = newest?.environmentUrl ?? '';
  return html`<li class="deployment"><span><b>${deployment.environment}</b> <code>${deployment.sha.slice(0, 7)}</code>
    <span class="pill ${state}">${state.replace('_', ' ')}</span>
    <span class="quiet">${newest?.description ?? ''} ${moment(deployment.updatedAt)}</span></span>
    ${state === 'success' && url !== '' ? html`<a class="button" href="${url}">View deployment</a>` : ''}
    ${newest && newest.logUrl !== '' ? html`<a class="quiet" href="${newest.logUrl}">Logs</a>` : ''}</li>`;
}

/** With `live` the page renews itself. */
export function layout(title: string, main: Markup, live = true): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>${raw(pageStyle)}</style>
      </head>
      <body>
        <main>${main}</main>
        ${live ? html`<script>${raw(pageScript)}</script>` : ''}
      </body>
    </html>`;
}
