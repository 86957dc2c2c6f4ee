import { describe, expect, it } from 'vitest';
import { MAX_REVISIONS, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, minutes, type Story } from '../fakes/story.ts';

/** A host runs somebody's code. It may write anything, as often as it likes, into its own mailbox and nowhere else. */
async function captured(): Promise<{ story: Story; instanceId: string; report(body: object): void }> {
  const story = createStory(createTestPlatform());
  const pull = story.openPullRequest();
  // From now on the attacker writes the machine's reports.
  story.platform.hosts.habits.build = 'stuck';
  await story.platform.advance(minutes(1));
  const { host, order } = await story.state(pull);
  const instanceId = instanceOf(host ? { host } : {}) ?? '';
  const sample = { v: 1, generation: order?.generation, at: 1, stage: 'fetching', warnings: [], timings: {} };
  return {
    story,
    instanceId,
    report: (body) =>
      story.platform.mailbox.report(
        instanceId,
        'progress',
        JSON.stringify({ ...sample, services: [], revision: 1, ...body }),
      ),
  };
}

describe('a host', () => {
  it('that asks for the archive again and again gets it a few times, and then its commit fails', async () => {
    const { story, report } = await captured();
    const { platform } = story;
    platform.calls.length = 0;
    for (let ask = 0; ask < 900; ask += 1) {
      report({ needs: 'archive', revision: 1 + (ask % (MAX_REVISIONS + 2)) });
      await platform.advance(66);
    }
    await platform.advance(minutes(5));
    const asked = platform.calls.filter((call) => call === 'github repos/download-tarball-archive').length;
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(MAX_REVISIONS);
    const [pull] = [...story.repository.pulls.values()];
    if (!pull) throw new Error('there is no pull request');
    expect((await story.state(pull)).failure?.code).toBe('source_asked_too_often');
    expect(story.status(pull)).toMatch(/^failure: The machine asked/);
  });

  it('that reports without end is reconciled from time to time, and no other host waits for it', async () => {
    const { story, report } = await captured();
    const { platform } = story;
    platform.calls.length = 0;
    const seconds = 60;
    for (let tick = 0; tick < 4_000; tick += 1) {
      report({ warnings: [`warning ${tick}`] });
      await platform.advance((seconds * 1_000) / 4_000);
    }
    const count = (call: string) => platform.calls.filter((one) => one === call).length;
    const admitted = REPORT_BURST + (seconds * 1_000) / REPORT_INTERVAL;
    // Each is admitted or held back at the cost of two writes at the most.
    expect(count('dynamodb UpdateItem hosts')).toBeLessThanOrEqual(2 * 4_000);
    // One reconcile for each report that was admitted, and one for those that were held back, every few seconds.
    expect(count('dynamodb UpdateItem environments claim')).toBeLessThanOrEqual(2 * admitted);
    expect(count('s3 GetObject')).toBeLessThanOrEqual(2 * admitted);
    expect(count('github pulls/get')).toBeLessThanOrEqual(admitted);

    const other = story.openPullRequest();
    const before = platform.calls.length;
    report({ warnings: ['still here'] });
    await platform.deliverAll();
    expect(story.comment(other)).toContain('Preview is being built');
    expect(platform.calls.length - before).toBeLessThan(100);
  });

  it('whose last report was held back has it read all the same', async () => {
    const { story, instanceId, report } = await captured();
    const { platform } = story;
    for (let tick = 0; tick < 200; tick += 1) report({ warnings: [`${tick}`] });
    const [pull] = [...story.repository.pulls.values()];
    if (!pull) throw new Error('there is no pull request');
    const result = {
      v: 1,
      generation: 1,
      sha: pull.headSha,
      at: 2,
      outcome: 'failed',
      failure: { code: 'exit', sentence: 'The end.', log: [] },
      services: [],
      warnings: [],
      timings: {},
    };
    platform.mailbox.report(instanceId, 'result', JSON.stringify(result));
    await platform.advance(minutes(1));
    expect(story.status(pull)).toBe('failure: The end.');
  });
});
