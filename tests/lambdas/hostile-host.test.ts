import { describe, expect, it } from 'vitest';
import { MAX_ADDRESSES, MAX_CLEARED_OBJECTS, MAX_HANDLE_BYTES } from '#core/limits';
import { MAX_REPORT_BYTES } from '../../lambdas/providers/ec2/mailbox.ts';
import { MAX_REPLACED_DEPLOYMENTS } from '../../lambdas/providers/github/github-limits.ts';
import { readReported } from '../../lambdas/providers/github/github-reported.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, minutes, nothing, type Story } from '../fakes/story.ts';

/**
 * A host runs somebody's code, which may write whatever it likes into its mailbox. Whatever that is, the row can
 * be saved (the table refuses what DynamoDB refuses), and closing removes everything.
 */
interface Building {
  story: Story;
  pull: PullRequest;
  instanceId: string;
  hostname: string;
}

/** A machine that builds and reports nothing by itself. */
async function building(): Promise<Building> {
  const story = createStory();
  story.platform.hosts.habits.build = 'stuck';
  const pull = story.openPullRequest();
  await story.platform.advance(minutes(2));
  const { host, hostname } = await story.state(pull);
  if (!host || !hostname) throw new Error('no machine is at work');
  return { story, pull, instanceId: instanceOf({ host }) ?? '', hostname };
}

interface Texts {
  name: string;
  /** It is part of the addresses, which must be the environment's own to be believed. */
  label: string;
  warnings: string[];
  sentence: string;
  log: string[];
}

/** This is as much as fits: a longer report is cut, is no JSON any more and counts for none. */
function bodyOf({ hostname }: Building, kind: 'progress' | 'result', texts: Texts): string {
  const services = Array.from({ length: 20 }, (_, n) => ({
    name: `${n} ${texts.name}`,
    port: 65_535,
    hostname: n === 0 ? hostname : `${texts.label}-${n}--${hostname}`,
    path: `/${n}`,
    primary: n === 0,
  }));
  const { sentence, log } = texts;
  // The progress is kept where a result does not replace it, so the two sizes add up.
  const common = { v: 1, generation: 1, at: 1, timings: {} };
  const failure = { code: sentence, sentence, service: sentence, log };
  const body = JSON.stringify(
    kind === 'progress'
      ? { ...common, revision: 1, stage: 'building', services, warnings: [] }
      : {
          ...common,
          sha: 'a'.repeat(40),
          outcome: 'failed',
          failure,
          services: [],
          warnings: texts.warnings,
        },
  );
  expect(Buffer.byteLength(body)).toBeLessThan(MAX_REPORT_BYTES);
  return body;
}

async function expectClosed({ story, pull }: Building): Promise<void> {
  story.close(pull);
  await story.platform.advance(minutes(1));
  expect(await story.whatExists()).toEqual(nothing);
  expect((await story.state(pull)).phase).toBe('destroyed');
}

function saved({ story }: Building): void {
  const refused = story.platform.logs.filter(({ outcome }) => /Exception/.test(outcome ?? ''));
  expect(refused).toEqual([]);
}

describe('an environment closes although its host', () => {
  it.each<[string, (report: number) => Texts]>([
    [
      'reports as much as a row keeps of a report',
      (report) => ({
        name: `${report} ${'n'.repeat(80)}`,
        label: `s${report}`,
        warnings: Array.from({ length: 20 }, (_, n) => `${report}.${n} ${'w'.repeat(480)}`),
        sentence: `${report} ${'s'.repeat(1_900)}`,
        log: Array.from({ length: 6 }, (_, n) => `${report}.${n} ${'l'.repeat(1_900)}`),
      }),
    ],
    [
      'reports far more',
      (report) => ({
        name: `${report} ${'漢'.repeat(4_000)}`,
        label: `s${report}`,
        warnings: Array.from({ length: 2_000 }, (_, n) => `${report}.${n} ${'漢'.repeat(25)}`),
        sentence: `${report} ${'😀'.repeat(1_000)}`,
        log: Array.from({ length: 200 }, (_, n) => `${report}.${n} ${'é'.repeat(90)}`),
      }),
    ],
    [
      'reports half characters',
      (report) => ({
        name: '\ud83d',
        label: `s${report}`,
        warnings: ['\ud83d', `\udc00${report}`],
        sentence: '\ud83d',
        log: ['\ud83d'],
      }),
    ],
  ])('%s, again and again with other contents', async (_what, textsOf) => {
    const platform = await building();
    const { mailbox } = platform.story.platform;
    for (let report = 0; report < 12; report += 1) {
      mailbox.report(platform.instanceId, 'progress', bodyOf(platform, 'progress', textsOf(report)));
      await platform.story.platform.advance(5_000);
    }
    const { ingress } = await platform.story.state(platform.pull);
    expect(JSON.stringify(ingress).length).toBeLessThanOrEqual(MAX_HANDLE_BYTES);
    expect((await platform.story.whatExists()).records.length).toBeLessThanOrEqual(MAX_ADDRESSES);
    mailbox.report(platform.instanceId, 'result', bodyOf(platform, 'result', textsOf(12)));
    await platform.story.platform.advance(minutes(1));
    expect(await platform.story.state(platform.pull)).toMatchObject({ phase: 'failed' });
    expect(platform.story.comment(platform.pull)).toContain('Preview failed');
    saved(platform);
    await expectClosed(platform);
  });

  it.each(['1e300', '9007199254740993', '-1', '1.5'])('reports the number %s', async (number) => {
    const platform = await building();
    const texts: Texts = { name: 'n', label: 's', warnings: [], sentence: 's', log: [] };
    const body = bodyOf(platform, 'progress', texts).replace(
      '"timings":{}',
      `"timings":{"building":${number}}`,
    );
    platform.story.platform.mailbox.report(platform.instanceId, 'progress', body);
    const result = bodyOf(platform, 'result', texts).replace(
      '"timings":{}',
      `"timings":{"building":${number}}`,
    );
    platform.story.platform.mailbox.report(platform.instanceId, 'result', result);
    await platform.story.platform.advance(minutes(1));
    saved(platform);
    await expectClosed(platform);
  });

  it('fills its mailbox with more than one run deletes', async () => {
    const platform = await building();
    const { story, pull, instanceId } = platform;
    story.platform.mailbox.fill(
      instanceId,
      Array.from({ length: 3 * MAX_CLEARED_OBJECTS }, (_, n) => `junk/${n}`),
    );
    story.close(pull);
    await story.platform.advance(1_000);
    const left = await story.whatExists();
    expect(left).toMatchObject({ instances: [], tunnels: [], records: [], mailboxes: [instanceId] });
    expect(story.comment(pull)).toContain('Preview removed');
    await story.platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
    expect((await story.state(pull)).phase).toBe('destroyed');
  });

  it('never has one version ready, for as many pushes as there are', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(5));
    story.platform.hosts.habits.build = 'failed';
    const served = pull.headSha;
    for (let push = 0; push < MAX_REPLACED_DEPLOYMENTS + 10; push += 1) {
      story.push(pull);
      await story.platform.advance(minutes(2));
    }
    const told = readReported((await story.state(pull)).told);
    expect(told).toMatchObject({ deployment: { replaces: { length: MAX_REPLACED_DEPLOYMENTS } } });
    story.platform.hosts.habits.build = 'ready';
    story.push(pull);
    await story.platform.advance(minutes(5));
    const { deployments } = await story.whatExists();
    expect(deployments).toContain(pull.headSha);
    expect(deployments).not.toContain(served);
  });
});
