import { describe, expect, it } from 'vitest';
import { findPullRequest, type GitHubQuestions } from '../../lambdas/adapters/find-pull-request.ts';
import type { PullQuestion, RepositoryRef } from '../../lambdas/ports.ts';
import { samplePull } from '../fakes/sample-state.ts';

const confirmed: RepositoryRef = { repositoryId: 1, installationId: 7, owner: 'acme', name: 'shop' };
const question: PullQuestion = { repositoryId: 1, number: 2, confirmed, said: confirmed, freshly: false };

/** GitHub that has the repository 1 under `acme/shop` with installation 7; what was asked is kept. */
function github(changes: Partial<GitHubQuestions> = {}) {
  const asked: string[] = [];
  const answers: GitHubQuestions = {
    pull: async ({ owner, name }) =>
      `${owner}/${name}` === 'acme/shop' ? { repositoryId: 1, pull: samplePull } : undefined,
    nameByNewToken: async (id) => (id === 7 ? { owner: 'acme', name: 'shop' } : undefined),
    installationOf: async () => undefined,
    knowsApp: async () => true,
    installation: async () => 'active',
    covers: async () => true,
    ...changes,
  };
  const counted = new Proxy(answers, {
    get(target, name, receiver) {
      asked.push(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  return { counted, asked };
}

const lost = { pull: async () => undefined, nameByNewToken: async () => undefined };

describe('a pull request', () => {
  it('is one question where GitHub confirmed it last, whatever the message says', async () => {
    const { counted, asked } = github();
    const said = { ...confirmed, installationId: 8, owner: 'mallory', name: 'invented' };
    expect(await findPullRequest(counted, { ...question, said })).toMatchObject({ kind: 'known' });
    expect(asked).toEqual(['pull']);
  });

  it('is looked for by id with a new token when someone may have lost access, not by name', async () => {
    const { counted, asked } = github();
    await findPullRequest(counted, { ...question, freshly: true });
    expect(asked).toEqual(['nameByNewToken', 'pull']);
  });

  it.each<[string, Partial<GitHubQuestions>, object]>([
    ['our own key is not known', { knowsApp: async () => false }, { kind: 'unknown' }],
    ['the installation has the repository after all', {}, { kind: 'unknown' }],
    ['the list cannot be read', { covers: async () => undefined }, { kind: 'unknown' }],
    ['the list lacks it', { covers: async () => false }, { kind: 'no-access' }],
    [
      'it is suspended',
      { installation: async () => 'suspended' },
      { kind: 'no-access', lostInstallation: 7 },
    ],
    ['it is gone', { installation: async () => 'missing' }, { kind: 'no-access', lostInstallation: 7 }],
  ])('that nobody finds: %s', async (_when, answers, expected) => {
    const { counted } = github({ ...lost, ...answers });
    expect(await findPullRequest(counted, question)).toMatchObject(expected);
  });

  it('that GitHub never confirmed is not proved to be lost, whatever is missing', async () => {
    const { counted, asked } = github({ ...lost, installation: async () => 'missing' });
    const answer = await findPullRequest(counted, { ...question, confirmed: undefined });
    expect(answer).toMatchObject({ kind: 'unknown' });
    expect(asked).not.toContain('installation');
  });
});
