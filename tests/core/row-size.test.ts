import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { absorb } from '#core/absorb';
import type { EnvironmentState, PullRequest } from '#core/environment';
import { MAX_KEY_LENGTH } from '#core/environment-key';
import { EphError } from '#core/failure';
import type { Step } from '#core/lifecycle';
import {
  MAX_HANDLE_BYTES,
  MAX_HOSTNAME_BYTES,
  MAX_NAME_BYTES,
  MAX_PUBLIC_SERVICES,
  MAX_REASON_BYTES,
  MAX_TITLE_BYTES,
} from '#core/limits';
import { parsePreviewConfig } from '#core/parse-preview-config';
import type { PreviewConfig } from '#core/preview-config';
import { MAX_REPORT_BYTES, progressSchema, resultSchema } from '../../lambdas/providers/ec2/mailbox.ts';
import { MAX_DOUBTFUL, MAX_REPLACED_DEPLOYMENTS } from '../../lambdas/providers/github/github-limits.ts';
import { handleOf } from '../../lambdas/providers/github/github-reported.ts';
import { rememberFailure } from '../../lambdas/reconcile/remember-failure.ts';
import { itemSize, MAX_ITEM_BYTES } from '../../local/aws/dynamodb-item-size.ts';
import { attributeMap } from '../fakes/attribute-map.ts';
import { readyState, SHA, sampleHost, sampleIngress, sampleSentSpec } from '../fakes/sample-state.ts';

/** The size of the largest row that `core/limits.ts` states. */
const LARGEST = 100 * 1024;
const TIME = Date.UTC(2099, 0);

const main = `${'m'.repeat(19)}.${'z'.repeat(63)}.${'z'.repeat(63)}.${'z'.repeat(62)}`;
/** They are as long as a host can make them and still be believed. */
const services = Array.from({ length: 200 }, (_, n) => ({
  name: '漢'.repeat(1_000),
  port: 65_535,
  hostname: n === 0 ? main : `${String(n).padStart(MAX_HOSTNAME_BYTES - main.length - 2, 's')}--${main}`,
  path: `/${'p'.repeat(128)}`,
  primary: n === 0,
  ownHost: true,
}));
const timings = Object.fromEntries(
  ['fetching', 'planning', 'pulling', 'building', 'starting', 'checking'].map((stage) => [stage, TIME]),
);
const report = {
  v: 1,
  generation: 1,
  revision: 1,
  at: TIME,
  services,
  warnings: Array(1_000).fill('漢'.repeat(1_000)),
  timings,
};
const sentence = '漢'.repeat(10_000);
const failure = { code: sentence, sentence, service: sentence, log: Array(1_000).fill('漢'.repeat(1_000)) };

/** Every step can have failed, however long the vendor's message was. */
const steps: (Step['kind'] | 'observe')[] = [
  'ask-forge',
  'read-settings',
  'launch-host',
  'start-host',
  'replace-host',
  'open-address',
  'write-spec',
  'notify-host',
  'give-up',
  'withdraw-address',
  'stop-host',
  'terminate-host',
  'finalize',
  'report',
  'observe',
];

/** This is close to the most that can be written into one file. */
function largestConfig(): PreviewConfig {
  let largest: PreviewConfig | undefined;
  for (let bytes = 32_000; ; bytes += 32) {
    const count = Math.floor(bytes / 2_000);
    const env = Array.from({ length: count }, (_, n) => `  V${n}: ${'x'.repeat(Math.floor(bytes / count))}`);
    const parsed = parsePreviewConfig(`env:\n${env.join('\n')}`, () => []);
    if (!parsed.ok) break;
    largest = parsed.config;
  }
  if (!largest) throw new Error('nothing fits into an eph.yaml');
  return largest;
}

const pull: PullRequest = {
  state: 'open',
  merged: false,
  sha: SHA,
  branch: 'b'.repeat(MAX_NAME_BYTES),
  baseBranch: 'b'.repeat(MAX_NAME_BYTES),
  draft: false,
  fork: false,
  bot: false,
  archived: false,
  author: 'a'.repeat(MAX_NAME_BYTES),
  title: 't'.repeat(MAX_TITLE_BYTES),
  owner: 'o'.repeat(MAX_NAME_BYTES),
  repository: 'r'.repeat(MAX_NAME_BYTES),
};

function largestState(): EnvironmentState {
  const begun = readyState({
    phase: 'provisioning',
    name: 'n'.repeat(63),
    hostname: main,
    pull,
    settings: { sha: SHA, config: largestConfig(), found: true },
    host: {
      ...sampleHost,
      handle: { ...sampleHost.handle, data: 'h'.repeat(MAX_HANDLE_BYTES) },
      ended: 'e'.repeat(MAX_REASON_BYTES),
      startedAt: TIME,
    },
    ingress: { ...sampleIngress, data: 'i'.repeat(MAX_HANDLE_BYTES) },
    order: { ...sampleSentSpec, generation: 1, mailedAt: TIME, needs: 'archive' },
    told: handleOf({
      comment: { id: TIME, digest: 'd'.repeat(6), shown: 'd'.repeat(6) },
      status: { sha: SHA, digest: 'd'.repeat(6), state: 'pending', shown: 'd'.repeat(6) },
      deployment: {
        id: TIME,
        sha: SHA,
        state: 'in_progress',
        begun: true,
        replaces: Array(MAX_REPLACED_DEPLOYMENTS).fill(123_456_789_012),
      },
      doubtful: Array(MAX_DOUBTFUL).fill(SHA),
      at: TIME,
    }),
    goneSince: TIME,
    closedAt: TIME,
    unfinishedSince: TIME,
    forgetAt: TIME,
  });
  const told = absorb(
    begun,
    {
      pull: { kind: 'unasked' },
      instance: { kind: 'unasked' },
      progress: v.parse(progressSchema, { ...report, stage: 'planning', waiting: sentence }),
      result: v.parse(resultSchema, {
        ...report,
        sha: SHA,
        outcome: 'failed',
        failure,
        serving: { generation: 1, sha: SHA },
        lost: SHA,
      }),
    },
    TIME,
  );
  return steps.reduce(
    (state, step) => rememberFailure(state, step, new EphError('transient', sentence, sentence), TIME),
    told,
  );
}

describe('the largest row', () => {
  it('is far from what DynamoDB refuses', () => {
    const state = largestState();
    const source = { installationId: TIME, owner: '漢'.repeat(256), name: '漢'.repeat(256) };
    const id = 'x'.repeat(36);
    const size = itemSize(
      attributeMap({
        v: 1,
        key: 'k'.repeat(MAX_KEY_LENGTH),
        repositoryId: TIME,
        installationId: TIME,
        number: TIME,
        wakes: TIME,
        source: { ...source, delivery: '漢'.repeat(256) },
        leaseId: id,
        leaseUntil: TIME,
        nextLookAt: TIME,
        dueAt: TIME,
        dueShard: '0',
        takenFrom: id,
        hostname: main,
        forgetAt: TIME,
        state,
      }),
    );
    expect(state.services).toHaveLength(MAX_PUBLIC_SERVICES);
    expect(state.order?.doing?.waiting).toBeDefined();
    expect(state.failure?.lost).toBe(SHA);
    expect(Object.keys(state.retries)).toHaveLength(steps.length);
    expect(JSON.stringify(state.told).length).toBeLessThan(8 * 1024);
    expect(size).toBeGreaterThan(0.8 * LARGEST);
    expect(size).toBeLessThan(LARGEST);
    expect(LARGEST).toBeLessThan(MAX_ITEM_BYTES / 3);
  });

  it('comes from reports that are short enough to be read', () => {
    const { services, warnings, ...rest } = v.parse(resultSchema, {
      ...report,
      sha: SHA,
      outcome: 'failed',
      // JSON writes this with six characters.
      failure: { code: 'c', sentence: '\u0001'.repeat(10_000), log: Array(60).fill('\u0001'.repeat(2_000)) },
      warnings: Array(50).fill('\u0001'.repeat(1_000)),
    });
    const written = JSON.stringify({ services, warnings, ...rest });
    expect(Buffer.byteLength(written)).toBeLessThan(MAX_REPORT_BYTES);
  });
});
