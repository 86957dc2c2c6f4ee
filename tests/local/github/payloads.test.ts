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
  await writer.request('POST /repos/{owner}/{repo}/pulls', create);
  const { github } = fixture.github;
  const admin = github.account('admin');
  const [shop] = [...github.state.repositories.values()];
  if (!shop) throw new Error('no repository');
  const pull = github.pulls.get(shop, 1);
  github.pulls.setDraft(shop, pull, admin, false);
  github.pulls.setDraft(shop, pull, admin, true);
  const issue = { ...repository, issue_number: 1 };
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
  github.repositories.update(shop, admin, { name: 'store' });
  const installation = github.installations.get(fixture.github.installationId);
  github.installations.suspend(installation, admin);
  github.installations.unsuspend(installation, admin);
  github.installations.removeRepositories(installation, admin, [shop]);
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

/** Paths of fields that the example has and the payload lacks; a null in one of them is not compared further. */
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
