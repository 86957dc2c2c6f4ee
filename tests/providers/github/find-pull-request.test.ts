import { describe, expect, it } from 'vitest';
import type { PullQuestion, RepositoryRef } from '../../../lambdas/ports.ts';
import {
  findPullRequest,
  type GitHubQuestions,
} from '../../../lambdas/providers/github/find-pull-request.ts';
import { samplePull } from '../../fakes/sample-state.ts';

const confirmed: RepositoryRef = { repositoryId: 1, access: '7', owner: 'acme', name: 'shop' };
const question: PullQuestion = { repositoryId: 1, number: 2, confirmed, said: confirmed, freshly: false };

/** A GitHub that has the repository 1 under `acme/shop` with installation 7, and keeps the calls. */
function github(changes: Partial<GitHubQuestions> = {}) {
  const asked: string[] = [];
  const answers: GitHubQuestions = {
    pull: async ({ owner, name }) =>
      `${owner}/${name}` === 'acme/shop' ? { repositoryId: 1, pull: samplePull } : 'missing',
    nameByNewToken: async (id) => (id === 7 ? { owner: 'acme', name: 'shop' } : undefined),
    installationOf: async () => undefined,
    knowsApp: async () => true,
    hasIssue: async () => false,
    installations: async () => [{ id: 7, suspended: false }],
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

const lost: Partial<GitHubQuestions> = {
  pull: async () => 'refused',
  nameByNewToken: async () => undefined,
};

describe('a pull request', () => {
  it('is read with one call where GitHub confirmed it last, whatever the message says', async () => {
    const { counted, asked } = github();
    const said = { ...confirmed, access: '8', owner: 'mallory', name: 'invented' };
    expect(await findPullRequest(counted, { ...question, said })).toMatchObject({ kind: 'known' });
    expect(asked).toEqual(['pull']);
  });

  it('is read by id with a new token, not by name, when access may be lost', async () => {
    const { counted, asked } = github();
    await findPullRequest(counted, { ...question, freshly: true });
    expect(asked).toEqual(['nameByNewToken', 'pull']);
  });

  it.each<[string, Partial<GitHubQuestions>, object]>([
    ['the App’s key is not known', { knowsApp: async () => false }, { kind: 'unknown' }],
    ['the installation has the repository after all', {}, { kind: 'unknown' }],
    ['the installations cannot be listed', { installations: async () => undefined }, { kind: 'unknown' }],
    ['the list cannot be read', { covers: async () => undefined }, { kind: 'unknown' }],
    ['the list lacks it', { covers: async () => false }, { kind: 'no-access' }],
    [
      'it is suspended',
      { installations: async () => [{ id: 7, suspended: true }] },
      { kind: 'no-access', lostAccess: '7' },
    ],
    ['it is gone', { installations: async () => [] }, { kind: 'no-access', lostAccess: '7' }],
  ])('that is not found is unknown or lost as it should be where %s', async (_when, answers, expected) => {
    const { counted } = github({ ...lost, ...answers });
    expect(await findPullRequest(counted, question)).toMatchObject(expected);
  });

  it('of a repository that moved to another installation is found there, before anything is proved', async () => {
    const { counted } = github({
      nameByNewToken: async (id) => (id === 9 ? { owner: 'acme', name: 'shop' } : undefined),
      pull: async ({ access }) => (access === '9' ? { repositoryId: 1, pull: samplePull } : 'refused'),
      installations: async () => [
        { id: 7, suspended: false },
        { id: 9, suspended: false },
      ],
    });
    expect(await findPullRequest(counted, question)).toMatchObject({ kind: 'known', access: '9' });
  });

  it.each<[string, Partial<GitHubQuestions>, string]>([
    ['two endpoints say 404', {}, 'no-pull'],
    ['it is there as an issue', { hasIssue: async () => true }, 'unknown'],
    ['the issue cannot be read', { hasIssue: async () => undefined }, 'unknown'],
    ['the permission to read it is gone', { pull: async () => 'refused' }, 'unknown'],
  ])(
    'that its repository does not show is unknown or missing as it should be where %s',
    async (_when, answers, kind) => {
      const { counted } = github({ pull: async () => 'missing', ...answers });
      expect(await findPullRequest(counted, question)).toMatchObject({ kind });
    },
  );

  it('that GitHub never confirmed is not proved to be lost, whatever is missing', async () => {
    const { counted, asked } = github({ ...lost, installations: async () => [] });
    const answer = await findPullRequest(counted, { ...question, confirmed: undefined });
    expect(answer).toMatchObject({ kind: 'unknown' });
    expect(asked).not.toContain('installations');
  });
});
