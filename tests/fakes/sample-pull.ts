import type { PullRequest } from '#core/environment';

export const SHA = 'a'.repeat(40);

export const samplePull: PullRequest = {
  state: 'open',
  merged: false,
  sha: SHA,
  branch: 'feature',
  baseBranch: 'main',
  draft: false,
  fork: false,
  bot: false,
  archived: false,
  author: 'ada',
  title: 'A change',
  owner: 'acme',
  repository: 'shop',
};
