import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fixture, pushBranch, startFixture, subscribe } from './github-fixture.ts';

// Its types promise an object where the package is a list.
const require = createRequire(import.meta.url);
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
  subscribe(fixture, 'issue_comment');
  await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
  await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n');
  const writer = fixture.as('writer');
  const repository = { owner: 'acme', repo: 'shop' };
  const create = { ...repository, title: 'Topic', head: 'topic', base: 'main', draft: true };
  const { data: pull } = await writer.request('POST /repos/{owner}/{repo}/pulls', create);
  const draft = (name: string) =>
    writer.graphql(`mutation($id: ID!) { ${name}(input: {pullRequestId: $id}) { pullRequest { id } } }`, {
      id: pull.node_id,
    });
  await draft('markPullRequestReadyForReview');
  await draft('convertPullRequestToDraft');
  const issue = { ...repository, issue_number: 1 };
  await writer.request('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', {
    ...issue,
    labels: ['bug'],
  });
  await writer.request('DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}', {
    ...issue,
    name: 'bug',
  });
  await writer.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    ...issue,
    body: 'Hello',
  });
  await fixture.git(
    await fixture.clone('writer', 'acme/shop', '-b', 'topic'),
    'push',
    '--quiet',
    'origin',
    'HEAD~1:topic',
    '--force',
  );
  const set = (state: 'open' | 'closed') =>
    writer.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: 1,
      state,
    });
  await set('closed');
  await set('open');
  await fixture.as('admin').request('PATCH /repos/{owner}/{repo}', { ...repository, name: 'store' });
  const { github } = fixture.github;
  const installation = github.installations.get(fixture.github.installationId);
  const admin = github.account('admin');
  github.installations.suspend(installation, admin);
  github.installations.unsuspend(installation, admin);
  github.installations.removeRepositories(installation, admin, [...github.state.repositories.values()]);
  github.installations.remove(installation, admin);
  await fixture.github.deliveriesDone();
});
afterAll(() => fixture.close());

it.each([
  ['pull_request', 'opened'],
  ['pull_request', 'reopened'],
  ['pull_request', 'synchronize'],
  ['pull_request', 'closed'],
  ['pull_request', 'ready_for_review'],
  ['pull_request', 'converted_to_draft'],
  ['pull_request', 'labeled'],
  ['pull_request', 'unlabeled'],
  ['issue_comment', 'created'],
  ['repository', 'renamed'],
  ['installation', 'suspend'],
  ['installation', 'unsuspend'],
  ['installation', 'deleted'],
  ['installation_repositories', 'removed'],
])('the payload of %s %s has every field that GitHub has in its example', (event, action) => {
  const sent = fixture.receiver.of(event).find((one) => one.action === action);
  const example = exampleOf(event, action);
  if (!sent || !example) throw new Error(`no ${sent ? 'example' : 'delivery'} for ${event} ${action}`);
  expect(missing(example, sent.payload)).toEqual([]);
});

function exampleOf(event: string, action: string): unknown {
  const all: readonly {
    name: string;
    examples: readonly unknown[];
  }[] = require('@octokit/webhooks-examples');
  return all
    .find((one) => one.name === event)
    ?.examples.find((one) => isObject(one) && one['action'] === action);
}

/** Paths of fields that the example has and the payload lacks; what is null in one of them is not entered. */
function missing(example: unknown, payload: unknown, path = ''): string[] {
  if (Array.isArray(example) && Array.isArray(payload)) {
    return payload.length > 0 && example.length > 0 ? missing(example[0], payload[0], `${path}[]`) : [];
  }
  if (!isObject(example) || !isObject(payload)) return [];
  // The permissions of an App are its own.
  if (path.endsWith('.permissions')) return [];
  return Object.entries(example).flatMap(([key, value]) =>
    key in payload ? missing(value, payload[key], `${path}.${key}`) : [`${path}.${key}`],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
