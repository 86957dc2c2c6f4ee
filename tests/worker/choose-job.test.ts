import examples from '@octokit/webhooks-examples';
import { describe, expect, test } from 'vitest';
import { decodeJob, encodeJob, encodeWireJob, MAX_JOB_REPOSITORIES } from '#core/job';
import { chooseJob } from '#webhook/choose-job';
import { opened } from './delivery.ts';

const installation = { id: 7 };
const { repository } = opened;

/** Without an action GitHub would not send: what is decided for one event and action. */
function choose(event: string, action: string, more: Record<string, unknown> = {}) {
  return chooseJob(event, 'd-1', { ...opened, action, ...more });
}

describe('pull_request', () => {
  test.each([
    'opened',
    'reopened',
    'synchronize',
    'closed',
    'ready_for_review',
    'converted_to_draft',
    'edited',
  ])('%s is a job', (action) => {
    expect(choose('pull_request', action)).toEqual({
      job: {
        v: 1,
        kind: 'pull_request',
        delivery: 'd-1',
        action,
        installationId: 7,
        repository: { id: 186853002, owner: 'acme', name: 'shop' },
        number: 42,
      },
    });
  });

  test.each(['labeled', 'assigned', 'review_requested', 'auto_merge_enabled', 'locked', 'constructor'])(
    '%s is ignored',
    (action) => {
      expect(choose('pull_request', action)).toEqual({
        ignored: `pull_request.${action} changes nothing that Eph deploys`,
      });
    },
  );

  test('without an installation is ignored, because nothing could be answered', () => {
    const { installation: _, ...rest } = opened;
    expect(chooseJob('pull_request', 'd-1', rest)).toEqual({
      ignored: 'the payload names no installation of the GitHub App',
    });
  });

  test.each([null, [], 'text', {}, { action: 7 }])(
    'with the payload %j is a problem, not an exception',
    (payload) => {
      expect(chooseJob('pull_request', 'd-1', payload)).toEqual({ problem: expect.any(String) });
    },
  );
});

describe('repository and installation', () => {
  test.each(['renamed', 'transferred', 'archived', 'unarchived', 'deleted'])(
    'repository %s is a job',
    (action) => {
      expect(choose('repository', action)).toMatchObject({
        job: { kind: 'repository', action, repository: { id: 186853002 } },
      });
    },
  );

  test.each(['created', 'publicized', 'privatized', 'edited'])('repository %s is ignored', (action) => {
    expect(choose('repository', action)).toEqual({ ignored: expect.stringContaining(action) });
  });

  test.each(['deleted', 'suspend', 'unsuspend'])(
    'installation %s is a job for the whole installation',
    (action) => {
      expect(choose('installation', action)).toEqual({
        job: { v: 1, kind: 'installation', delivery: 'd-1', action, installationId: 7, repositoryIds: [] },
      });
    },
  );

  test('repositories removed from an installation make a job that names them', () => {
    const removed = { action: 'removed', installation, repositories_removed: [{ id: 1 }, repository] };
    expect(chooseJob('installation_repositories', 'd-1', removed)).toEqual({
      job: {
        v: 1,
        kind: 'installation',
        delivery: 'd-1',
        action: 'repositories_removed',
        installationId: 7,
        repositoryIds: [1, 186853002],
      },
    });
  });

  test('an App that is installed again, and repositories added again, make jobs that name the repositories', () => {
    const created = { action: 'created', installation, repositories: [{ id: 1 }, { id: 2 }] };
    const job = { kind: 'installation', installationId: 7, repositoryIds: [1, 2] };
    expect(chooseJob('installation', 'd-1', created)).toMatchObject({ job: { ...job, action: 'created' } });
    const added = { action: 'added', installation, repositories_added: [{ id: 1 }, { id: 2 }] };
    expect(chooseJob('installation_repositories', 'd-1', added)).toMatchObject({
      job: { ...job, action: 'repositories_added' },
    });
  });

  test('no more repositories are named than one job may hold, and none is not “all of them”', () => {
    const repositories = Array.from({ length: MAX_JOB_REPOSITORIES + 1 }, (_, index) => ({ id: index + 1 }));
    const choice = chooseJob('installation', 'd-1', { action: 'created', installation, repositories });
    if (!('job' in choice)) throw new Error('no job');
    expect(decodeJob(encodeWireJob(choice.job))).toMatchObject({ ok: true });
    expect(choose('installation', 'created')).toEqual({ ignored: expect.stringContaining('created') });
  });

  test.each([
    ['installation', 'new_permissions_accepted'],
    ['installation_repositories', 'added'],
  ])('%s %s is ignored', (event, action) => {
    expect(choose(event, action)).toEqual({ ignored: expect.stringContaining(action) });
  });
});

test('every example that GitHub publishes makes a job that the other side reads, or is ignored with a reason', () => {
  let jobs = 0;
  for (const { name, examples: payloads } of examples) {
    for (const payload of payloads) {
      const choice = chooseJob(name, 'd-1', payload);
      expect(choice, name).not.toHaveProperty('problem');
      if (!('job' in choice)) continue;
      jobs += 1;
      const decoded = decodeJob(encodeWireJob(choice.job));
      if (!decoded.ok) throw new Error(decoded.problem);
      expect(JSON.parse(encodeJob(decoded.job))).toEqual(choice.job);
    }
  }
  expect(jobs).toBeGreaterThan(10);
});
