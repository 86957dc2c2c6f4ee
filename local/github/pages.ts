import { html } from 'hono/html';
import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import { notFound } from './github-error.ts';
import type { PullRequest, Repository } from './github-state.ts';
import { fullName } from './links.ts';
import {
  checksBox,
  commentBox,
  commitList,
  deploymentBox,
  layout,
  moment,
  stateBadge,
} from './page-parts.ts';

type Markup = ReturnType<typeof html>;

/**
 * The pages for people: one per pull request, one per repository, one for all. They renew themselves every two
 * seconds: the script fetches the page again and replaces the main element if it has changed.
 */
export function createPages(github: Github, store: GitStore) {
  const find = (owner: string, name: string): Repository => {
    const wanted = `${owner}/${name}`.toLowerCase();
    const { repositories, moved } = github.state;
    const named = [...repositories.values()].find((one) => fullName(one).toLowerCase() === wanted);
    const repository = named ?? repositories.get(moved.get(wanted) ?? 0);
    if (!repository) throw notFound();
    return repository;
  };

  return {
    home(): Markup {
      const all = [...github.state.repositories.values()];
      return layout(
        'Repositories',
        html`<h1>Repositories</h1>
          <ul class="list">${all.map(
            (one) =>
              html`<li><a href="/${fullName(one)}">${fullName(one)}</a> <span class="pill">${one.private ? 'private' : 'public'}</span>
                <span class="quiet">${count(openPulls(one), 'open pull request')}</span></li>`,
          )}</ul>`,
      );
    },

    repository(owner: string, name: string): Markup {
      const repository = find(owner, name);
      const pulls = [...repository.pulls.values()].sort((a, b) => b.number - a.number);
      return layout(
        fullName(repository),
        html`${heading(repository)}
          <p class="quiet">Clone with <code>git clone ${github.links.html}/${fullName(repository)}.git</code></p>
          <h2>Pull requests</h2>
          ${pulls.length === 0 ? html`<p class="quiet">None yet.</p>` : ''}
          <ul class="list">${pulls.map((pull) => pullLine(repository, pull))}</ul>`,
      );
    },

    async pull(owner: string, name: string, number: number): Promise<Markup> {
      const repository = find(owner, name);
      const pull = github.pulls.get(repository, number);
      const commits = await store.commitsBetween(repository.id, pull.baseSha, pull.headSha);
      const deployments = repository.deployments.filter(
        (one) => one.ref === pull.headRef || commits.some((commit) => commit.sha === one.sha),
      );
      return layout(
        `${pull.title} · Pull request #${number} · ${fullName(repository)}`,
        html`${heading(repository)}
          <h1>${pull.title} <span class="quiet">#${number}</span></h1>
          <p class="summary">${stateBadge(pull)} ${summary(repository, pull, commits.length)}</p>
          <div class="columns">
            <div>
              ${commentBox(pull.author, pull.createdAt, pull.createdAt, pull.body ?? '', undefined)}
              ${commitList(commits)}
              ${pull.comments.map((one) => commentBox(one.author, one.createdAt, one.updatedAt, one.body, one.id))}
            </div>
            <aside>
              ${deploymentBox(deployments, github.deployments.stateOf)}
              ${checksBox(pull, github.statuses.latest(repository, pull.headSha))}
            </aside>
          </div>`,
      );
    },
  };
}

function openPulls(repository: Repository): number {
  return [...repository.pulls.values()].filter((pull) => pull.state === 'open').length;
}

function heading(repository: Repository): Markup {
  return html`<p class="crumbs"><a href="/">GitHub, local</a> / <a href="/${fullName(repository)}">${fullName(repository)}</a>
    <span class="pill">${repository.private ? 'private' : 'public'}</span>
    ${repository.archived ? html`<span class="pill">archived</span>` : ''}</p>`;
}

function pullLine(repository: Repository, pull: PullRequest): Markup {
  return html`<li>${stateBadge(pull)} <a href="/${fullName(repository)}/pull/${pull.number}">${pull.title}</a>
    <span class="quiet">#${pull.number} by ${pull.author.login}, ${moment(pull.createdAt)},
    ${count(pull.comments.length, 'comment')}</span></li>`;
}

function summary(repository: Repository, pull: PullRequest, commits: number): Markup {
  const from =
    pull.headRepositoryId === repository.id ? pull.headRef : `${pull.headOwner.login}:${pull.headRef}`;
  const verb = pull.mergedAt === null ? 'wants to merge' : 'merged';
  return html`<b>${pull.author.login}</b> ${verb} ${count(commits, 'commit')} into
    <code>${pull.baseRef}</code> from <code>${from}</code>`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
