import { type Actor, accountOf, roleOf } from './access.ts';
import type { Reply } from './call.ts';
import type { Github } from './github.ts';
import { atLeast } from './github-state.ts';
import { nodeId } from './links.ts';
import { isObject } from './request-body.ts';

const mutations = { markPullRequestReadyForReview: false, convertPullRequestToDraft: true } as const;

/**
 * The two mutations without which a draft cannot be made ready: REST has no word for it. Anything else is an
 * error that says so.
 */
export function runGraphql(github: Github, actor: Actor, body: unknown): Reply {
  const query = isObject(body) && typeof body['query'] === 'string' ? body['query'] : '';
  const variables = isObject(body) && isObject(body['variables']) ? body['variables'] : {};
  const [name, draft] = Object.entries(mutations).find(([one]) => query.includes(one)) ?? [];
  if (name === undefined || draft === undefined) {
    return failed(`The local GitHub knows two GraphQL mutations: ${Object.keys(mutations).join(', ')}.`);
  }
  const literal = /pullRequestId:\s*"([^"]+)"/.exec(query)?.[1];
  const wanted =
    literal ?? Object.values(variables).flatMap((one) => (isObject(one) ? Object.values(one) : [one]))[0];
  const repositories = [...github.state.repositories.values()];
  for (const repository of repositories) {
    const pull = [...repository.pulls.values()].find((one) => nodeId('PR', one.id) === wanted);
    if (!pull) continue;
    const sender = accountOf(actor);
    const may = sender === pull.author || atLeast(roleOf(sender, repository), 'write');
    if (!may) return failed(`${sender.login} does not have the correct permissions to execute \`${name}\``);
    github.pulls.setDraft(repository, pull, sender, draft);
    const shown = { id: wanted, number: pull.number, isDraft: pull.draft };
    return { status: 200, body: { data: { [name]: { clientMutationId: null, pullRequest: shown } } } };
  }
  return failed(`Could not resolve to a node with the global id of '${String(wanted)}'`);
}

function failed(message: string): Reply {
  return { status: 200, body: { data: null, errors: [{ message }] } };
}
