import { expect, it } from 'vitest';
import { MAX_DOUBTFUL } from '../../../lambdas/providers/github/github-limits.ts';
import { forgetReported, handleOf, readReported } from '../../../lambdas/providers/github/github-reported.ts';

it('what was reported can be read however many deployments had no answer, and has the last of them', () => {
  const doubtful = Array.from({ length: MAX_DOUBTFUL }, (_, count) => `commit-${count}`);
  const deployment = { id: 0, sha: 'last', state: 'pending' } as const;
  const told = forgetReported({ doubtful, deployment });
  expect(told.doubtful).toEqual([...doubtful.slice(1), 'last']);
  expect(readReported(handleOf(told))).toEqual(told);
});

it('a deployment with a call that had no answer may be active again, also where it is known', () => {
  const deployment = { id: 7, sha: 'known', state: 'in_progress' } as const;
  expect(forgetReported({ deployment }).doubtful).toEqual(['known']);
});
