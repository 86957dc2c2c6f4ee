import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { WireEntry } from '../../local/wire-log.ts';
import { createFindBreaches } from '../contracts/find-breaches.ts';

/**
 * The wire log of the end-to-end story, read after it: `dev/test.ts` runs this when the local platform
 * wrote one (WIRE_LOG), with the platform's own secrets in PLATFORM_FILE. A real deployment has no wire log.
 */
const text = readFileSync(process.env['WIRE_LOG'] ?? '', 'utf8');
const platform = JSON.parse(readFileSync(process.env['PLATFORM_FILE'] ?? '', 'utf8'));
const lines: WireEntry[] = text
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line));
const [owner, repository] = platform.repository.split('/');

describe('the wire log of the story', () => {
  it('has lines of the documented form, from every peer', () => {
    const keys = ['t', 'peer', 'method', 'path', 'query', 'request', 'status', 'reply'];
    for (const line of lines) expect(Object.keys(line)).toEqual(keys);
    const peers = new Set(lines.map(({ peer }) => peer));
    for (const peer of [
      'worker',
      'sqs',
      's3',
      'dynamodb',
      'ec2',
      'ssm',
      'github',
      'cloudflare',
      'edge',
    ] as const) {
      expect(peers).toContain(peer);
    }
  });

  it('holds no request and no reply that breaks GitHub’s or Cloudflare’s description', () => {
    const findBreaches = createFindBreaches();
    expect([...new Set(lines.flatMap((line) => findBreaches(line)))]).toEqual([]);
  });

  it('holds no secret', () => {
    const { AWS_SECRET_ACCESS_KEY } = platform.credentials;
    const secrets = [
      ...Object.values<string>(platform.tokens),
      platform.access.serviceToken.secret,
      AWS_SECRET_ACCESS_KEY,
    ];
    for (const secret of secrets) expect(text.includes(secret)).toBe(false);
    expect(text).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY/);
    expect(text).not.toMatch(/\bgh[sp]_[A-Za-z0-9]{20}/);
    expect(text).not.toMatch(/\beyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}/);
  });

  it('counts no more calls for a pull request opened, pushed to once and closed than the budget allows', () => {
    const calls = callsOfProduct();
    console.log(`calls for one pull request: ${JSON.stringify(calls)}`);
    expect(calls.github).toBeLessThanOrEqual(28);
    expect(calls.cloudflare).toBeLessThanOrEqual(12);
  });
});

/** What only the App does; the test itself talks to `git/`, `pulls` by POST and PATCH, and reads what it asserts. */
const appCalls: [method: string, path: RegExp][] = [
  ['POST', /^\/app\/installations\/\d+\/access_tokens$/],
  ['GET', /\/contents\/eph\.yaml$/],
  ['GET', /\/tarball\//],
  ['POST', /\/issues\/\d+\/comments$/],
  ['PATCH', /\/issues\/comments\/\d+$/],
  ['POST', /\/statuses\/[0-9a-f]{40}$/],
  ['POST', /\/deployments(\/\d+\/statuses)?$/],
];

function callsOfProduct(): { github: number; cloudflare: number } {
  const first = lines.findIndex(
    ({ peer, reply }) => peer === 'worker' && /"?job"?/.test(JSON.stringify(reply)),
  );
  const story = lines.slice(first);
  const ofApp = story.filter(
    ({ peer, method, path }) =>
      peer === 'github' && appCalls.some(([verb, pattern]) => verb === method && pattern.test(path)),
  );
  // Shared with the test: one read of the pull request for each webhook, one list of comments for the first comment.
  const webhooks = story.filter(
    ({ peer, reply, path }) =>
      peer === 'worker' && path.startsWith('/webhooks') && JSON.stringify(reply).includes('job'),
  );
  return {
    github: ofApp.length + webhooks.length + 1,
    cloudflare: story.filter(({ peer }) => peer === 'cloudflare').length,
  };
}

it('belongs to the repository of the story', () => {
  expect(lines.some(({ path }) => path.startsWith(`/repos/${owner}/${repository}/`))).toBe(true);
});
