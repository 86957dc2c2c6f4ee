import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  type EnvironmentKey,
  environmentKey,
  formatKey,
  keyOf,
  MAX_KEY_LENGTH,
  parseKey,
} from '#core/environment-key';
import { decodeJob, encodeJob } from '#core/job';
import { environmentName } from '#core/names';
import { keyedHash } from '../../lambdas/keyed-hash.ts';
import {
  parseRecordComment,
  parseTunnelName,
  recordComment,
  tunnelName,
} from '../../lambdas/providers/cloudflare/marks.ts';
import { environmentTag, fromEnvironmentTag } from '../../lambdas/providers/ec2/environment-tag.ts';
import { commentMarker } from '../../lambdas/providers/github/render-comment.ts';
import { markedKey } from '../../lambdas/providers/marked-key.ts';

const branch = (name: string): EnvironmentKey => ({ kind: 'branch', repositoryId: 7, branch: name });

/** Every form, as it stands in the table. */
const forms: [string, EnvironmentKey][] = [
  ['7#1', { kind: 'pull', repositoryId: 7, number: 1 }],
  ['7#1/arm', { kind: 'pull', repositoryId: 7, number: 1, variant: 'arm' }],
  ['7@main', branch('main')],
  ['7@main/arm', { ...branch('main'), variant: 'arm' }],
  ['7=demo', { kind: 'name', repositoryId: 7, name: 'demo' }],
  ['7=demo/arm', { kind: 'name', repositoryId: 7, name: 'demo', variant: 'arm' }],
  ['plain:7#1', { kind: 'pull', forge: 'plain', repositoryId: 7, number: 1 }],
  ['plain:7=demo/arm', { kind: 'name', forge: 'plain', repositoryId: 7, name: 'demo', variant: 'arm' }],
  ['7@feature_2Fa_23b_40c_3Dd', branch('feature/a#b@c=d')],
  ['7@npm_5Fand_5Fyarn', branch('npm_and_yarn')],
  ['7@_3A_5F_25_2F', branch(':_%/')],
  ['7@--_3E', branch('-->')],
  ['7@gr_C3_BCn', branch('grün')],
  [`7@${'b'.repeat(255)}`, branch('b'.repeat(255))],
  [`7@${'_F0_9F_8D_8F'.repeat(63)}`, branch('🍏'.repeat(63))],
  ['7#1/a_2Fb', { kind: 'pull', repositoryId: 7, number: 1, variant: 'a/b' }],
];

const text = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('/', '#', '@', '=', ':', '_', '-', '.', ' ', '%', '>', 'a', '7') }),
  )
  .filter((one) => one.length > 0);
const subject = fc.oneof(
  fc.record({ kind: fc.constant('pull' as const), number: fc.nat() }),
  fc.record({ kind: fc.constant('branch' as const), branch: text }),
  fc.record({ kind: fc.constant('name' as const), name: text }),
);
const base = fc.record(
  { forge: fc.stringMatching(/^[a-z]{1,16}$/), repositoryId: fc.maxSafeNat(), variant: text },
  { requiredKeys: ['repositoryId'] },
);
const randomKey = fc.tuple(base, subject).map(([of, what]): EnvironmentKey => ({ ...of, ...what }));
const deploymentId = fc.stringMatching(/^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/);

/** Writes a key into every place that it goes to, and reads it back. */
function expectEverywhere(key: string, deployment: string): void {
  const mark = markedKey(key);
  expect(markedKey(mark)).toBe(mark);

  const tag = environmentTag(key);
  expect(tag).toMatch(/^[\w.:/=+\-@ ]{1,256}$/);
  expect(fromEnvironmentTag(tag)).toBe(mark);

  const tunnel = tunnelName(deployment, key, 12);
  expect(tunnel).toMatch(/^[\w.-]{1,100}$/);
  expect(parseTunnelName(deployment, tunnel)).toBe(mark);

  const comment = recordComment(deployment, key);
  expect(comment.length).toBeLessThanOrEqual(100);
  expect(parseRecordComment(deployment, comment)).toBe(mark);

  const marker = commentMarker(deployment, key);
  expect(marker.indexOf('-->')).toBe(marker.length - 3);
  expect(marker).toContain(`:${key} `);

  const job = { v: 1, kind: 'wake', delivery: 'd', environment: key, cause: 'due' } as const;
  expect(decodeJob(encodeJob(job))).toEqual({ ok: true, job });
}

describe('the key of an environment', () => {
  it.each(forms)('is %s and is read back, in the table and in every mark', (written, key) => {
    expect(formatKey(key)).toBe(written);
    expect(parseKey(written)).toEqual(key);
    expectEverywhere(written, 'a-deployment-16c');
  });

  it('is read back whatever the branch, the name and the variant are', () => {
    fc.assert(
      fc.property(randomKey, deploymentId, (key, deployment) => {
        const written = formatKey(key);
        expect(parseKey(written)).toEqual(key);
        expectEverywhere(written, deployment);
      }),
      { numRuns: 500 },
    );
  });

  it('differs for each environment, and so does each of its marks', () => {
    fc.assert(
      fc.property(randomKey, randomKey, (one, two) => {
        const [first, second] = [formatKey(one), formatKey(two)];
        fc.pre(first !== second);
        expect(markedKey(first)).not.toBe(markedKey(second));
        expect(tunnelName('a', first, 0)).not.toBe(tunnelName('a', second, 0));
        expect(environmentTag(first)).not.toBe(environmentTag(second));
      }),
    );
  });

  it.each([
    '',
    '7',
    '#1',
    '7#',
    '7#01',
    '07#1',
    '7#-1',
    '7#1.5',
    '7#1e3',
    '7#NaN',
    '-7#1',
    '7#1#2',
    '7#1/',
    '7#1/a/b',
    '7@',
    '7@a/b/c',
    '7@a b',
    '7@_2f',
    '7@_61',
    '7@_FF',
    '7@a_',
    ':7#1',
    'Plain:7#1',
    'plain:plain:7#1',
    '9007199254740993#1',
    '7#9007199254740993',
    `7@${'b'.repeat(MAX_KEY_LENGTH)}`,
    ' 7#1',
    '7#1\n',
  ])('has one spelling: %j is none', (written) => {
    expect(parseKey(written)).toBeUndefined();
  });

  it('is not made from parts that could not be read back', () => {
    const unusable: EnvironmentKey[] = [
      { kind: 'pull', repositoryId: 7, number: Number.NaN },
      { kind: 'pull', repositoryId: 7, number: -1 },
      { kind: 'pull', repositoryId: 2 ** 53, number: 1 },
      { kind: 'pull', forge: 'git-hub', repositoryId: 7, number: 1 },
      branch(''),
      branch('\ud83c'),
      branch('b'.repeat(MAX_KEY_LENGTH)),
      { ...branch('main'), variant: '' },
    ];
    for (const key of unusable) expect(() => formatKey(key), JSON.stringify(key)).toThrow('no_key');
  });
});

describe('a key of the greatest length', () => {
  const longest = 'b'.repeat(MAX_KEY_LENGTH - '7@'.length);

  it('is a key, and with one more character it is none', () => {
    expect(parseKey(formatKey(branch(longest)))).toEqual(branch(longest));
    expect(() => formatKey(branch(`${longest}b`))).toThrow('no_key');
    expect(parseKey(`7@${longest}b`)).toBeUndefined();
  });

  it('is read as a key, and anything else is refused', () => {
    expect(keyOf(`7@${longest}`)).toEqual(branch(longest));
    expect(() => keyOf(`7@${longest}b`)).toThrow('no_key');
  });
});

describe('a mark of a key that is too long for it', () => {
  const long = formatKey(branch(`feature/${'a'.repeat(100)}`));

  it('is cut, still differs for two such branches, and is no key', () => {
    expect(markedKey(long)).toMatch(/^7@feature_2Fa+:[0-9a-f]{32}$/);
    expect(markedKey(long)).toHaveLength(64);
    expect(markedKey(`${long}b`)).not.toBe(markedKey(long));
    expect(parseKey(markedKey(long))).toBeUndefined();
  });

  it('is never that of a pull request, which always fits', () => {
    const largest = environmentKey(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'f'.repeat(16));
    expect(markedKey(largest)).toBe(largest);
  });
});

describe('the name that people see', () => {
  it('is a label of DNS with room for services, whatever the environment is', () => {
    fc.assert(
      fc.property(randomKey, (key) => {
        fc.pre(key.kind !== 'pull' || key.number < 10_000_000);
        const name = environmentName('x'.repeat(80), formatKey(key), keyedHash('key'));
        expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
        expect(name.length).toBeLessThanOrEqual(48);
      }),
    );
  });

  it('ends in the number, the branch or the name, and is made from the whole key', () => {
    const nameOf = (key: string) => environmentName('shop', key, keyedHash('key'));
    expect(nameOf('7@feature_2Flogin')).toMatch(/^shop-[a-z]+-[a-z]+-\w{6}-feature$/);
    expect(nameOf('7#42/arm')).toMatch(/-42-arm$/);
    expect(nameOf('7=demo')).toMatch(/^shop-[a-z]+-[a-z]+-\w{6}-demo$/);
    const keys = ['7#1', '7@1', '7=1', '7#1/a', 'plain:7#1', '7@feature_2Fa', '7@feature_2Fb'];
    expect(new Set(keys.map((key) => nameOf(key).split('-').slice(1, 4).join('-'))).size).toBe(keys.length);
  });
});

describe('the forms of the version before', () => {
  const file = new URL('../fixtures/v1/rows.json', import.meta.url);
  const row = v.object({
    key: v.string(),
    state: v.object({
      name: v.optional(v.string()),
      tunnelEpoch: v.number(),
      tunnel: v.optional(v.object({ name: v.string() })),
      host: v.optional(v.object({ intent: v.object({ clientToken: v.string() }) })),
    }),
  });
  const rows = Object.values(v.parse(v.record(v.string(), row), JSON.parse(readFileSync(file, 'utf8'))));

  it('are those that are made today, for the key, the name and the tunnel', () => {
    for (const { key, state } of rows) {
      expect(parseKey(key)).toMatchObject({ kind: 'pull' });
      if (state.name) expect(environmentName('shop', key, keyedHash('name key'))).toBe(state.name);
      if (state.tunnel) expect(tunnelName('test', key, state.tunnelEpoch)).toBe(state.tunnel.name);
      if (state.tunnel) expect(parseTunnelName('test', state.tunnel.name)).toBe(key);
    }
    expect(rows.filter(({ state }) => state.name && state.tunnel).length).toBeGreaterThan(2);
  });

  it('are these texts for the tag, the tunnel, the record and the comment of 7#1', () => {
    expect(environmentKey(7, 1)).toBe('7#1');
    expect(environmentTag('7#1')).toBe('7/1');
    expect(tunnelName('test', '7#1', 0)).toBe('eph-test-7-1-0');
    expect(recordComment('test', '7#1')).toBe('eph:test:7#1');
    expect(commentMarker('test', '7#1')).toBe('<!-- eph:test:7#1 -->');
    expect(environmentName('shop', '1#7', keyedHash('key'))).toBe('shop-crisp-cedar-qxr99b-7');
  });
});
