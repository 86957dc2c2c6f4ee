import { describe, expect, it } from 'vitest';
import { MAX_KEY_LENGTH } from '#core/environment-key';
import { decodeJob, encodeJob, type Job } from '#core/job';

const repository = { id: 7, owner: 'acme', name: 'shop' };
const opened = {
  v: 1,
  kind: 'pull_request',
  delivery: 'd',
  action: 'opened',
  repository,
  number: 1,
} as const;
const jobs: Exclude<Job, { kind: 'wake' }>[] = [
  { ...opened, access: '' },
  { v: 1, kind: 'repository', delivery: 'd', action: 'renamed', repository, access: '' },
  { v: 1, kind: 'access', delivery: 'd', action: 'created', repositoryIds: [7], access: '9' },
  { v: 1, kind: 'merge_group', delivery: 'd', action: 'a', repository, sha: 'd'.repeat(40), access: '' },
];

describe('a job of the queue', () => {
  it.each(jobs)(
    'of the kind $kind is GitHub’s where it names no forge, and another forge’s where it does',
    (job) => {
      expect(JSON.parse(encodeJob(job))).not.toHaveProperty('forge');
      expect(decodeJob(encodeJob(job))).toEqual({ ok: true, job });
      const theirs = { ...job, forge: 'plain' };
      expect(JSON.parse(encodeJob(theirs))).toMatchObject({ v: 1, forge: 'plain' });
      expect(decodeJob(encodeJob(theirs))).toEqual({ ok: true, job: theirs });
    },
  );

  it.each(['', 'Git Lab', 'git:lab', 'x'.repeat(17), 7])(
    'is refused where its forge is called %j',
    (forge) => {
      expect(decodeJob(JSON.stringify({ ...opened, forge }))).toMatchObject({ ok: false });
    },
  );

  it('wakes an environment whose key is as long as a key may be, and no longer', () => {
    const wake = { v: 1, kind: 'wake', delivery: 'd', cause: 'due' } as const;
    const bodyOf = (length: number) => encodeJob({ ...wake, environment: 'k'.repeat(length) });
    expect(decodeJob(bodyOf(MAX_KEY_LENGTH))).toMatchObject({ ok: true });
    expect(decodeJob(bodyOf(MAX_KEY_LENGTH + 1))).toMatchObject({ ok: false });
  });
});
