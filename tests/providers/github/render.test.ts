import fc from 'fast-check';
import { marked } from 'marked';
import { describe, expect, it } from 'vitest';
import type { EnvironmentState } from '#core/environment';
import { summarize } from '#core/summary';
import type { GithubTold } from '../../../lambdas/providers/github/github-told.ts';
import { type GithubView, viewOf } from '../../../lambdas/providers/github/github-view.ts';
import { readyState, SHA, sampleOrder, samplePull, without } from '../../fakes/sample-state.ts';

const context = { environment: '1#1', number: 1, urlTemplate: 'https://{host}', required: false };
function shown(state: EnvironmentState, told: GithubTold = {}, required = false): GithubView {
  const summary = summarize(state, { ...context, required });
  if (!summary) throw new Error('there is nothing to say');
  return viewOf(summary, told, 'test');
}
const commentOf = (state: EnvironmentState, told?: GithubTold) => shown(state, told).comment ?? '';

function failedWith(parts: { sentence?: string; log?: string[]; service?: string; warnings?: string[] }) {
  const { sentence = 'It failed.', log = [], service, warnings = [] } = parts;
  const failure = { code: 'x', sentence, sha: SHA, at: 0, log, ...(service ? { service } : {}) };
  return readyState({ failure, warnings });
}

const hostile = fc.oneof(
  fc.constantFrom(
    '```',
    '~~~',
    '````\n</details>',
    '@everyone',
    '&#64;octocat',
    '&commat;octocat',
    '<img src=x onerror=alert(1)>',
    '</summary></details># hello',
    '<!-- eph:test:1#1 -->',
    '[click](https://evil.example)',
    '![x](https://evil.example/p.png)',
    'https://evil.example www.evil.example',
    '#12 acme/shop#12',
    '| a | b |\n|---|---|',
    '\r\n# title',
  ),
  fc.string({ maxLength: 40 }),
);

/** The log is code, which shows everything as it is; what is left is what GitHub would act on. */
function outsideOfCode(comment: string): string {
  return String(marked.parse(comment, { gfm: true, async: false })).replace(/<pre>[\s\S]*?<\/pre>/g, '');
}

describe('the comment', () => {
  it('cannot be broken by what a host writes: no tag, no mention, no link, no end of its block', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 6 }), (texts) => {
        const text = texts.join(' ');
        const html = outsideOfCode(
          commentOf(
            failedWith({
              sentence: text,
              log: [...texts, 'the end'],
              service: text || 'web',
              warnings: [text],
            }),
          ),
        );
        expect(html).not.toMatch(/<(img|script|h1|a href="(?!https:\/\/shop-calm))/);
        expect(html.match(/<\/details>/g)?.length ?? 0).toBe(1);
        expect(html.match(/<\/summary>/g)?.length ?? 0).toBe(1);
        const visible = html.replace(/<[^>]*>/g, '').replace(/&#64;|&commat;/g, '@');
        expect(visible).not.toMatch(/@[a-z]/);
        expect(visible.match(/Last lines of/g)).toHaveLength(1);
      }),
    );
  });

  it('stays below GitHub’s limit however much a host writes', () => {
    const text = 'x'.repeat(2_000);
    const much = failedWith({
      sentence: text,
      log: Array.from({ length: 60 }, () => text),
      warnings: Array.from({ length: 100 }, () => 'y'.repeat(200_000)),
    });
    expect(commentOf(failedWith({ sentence: 'z'.repeat(120_000) })).length).toBeLessThan(10_000);
    expect(commentOf(much).length).toBeLessThan(65_536);
    expect(shown(much).status?.description.length).toBeLessThanOrEqual(140);
  });

  it.each(['', 'x'])('is never cut in the middle of a character: "%s" and then two halves each', (before) => {
    const text = before + '😀'.repeat(4_000);
    const { comment, status } = shown(failedWith({ sentence: text, log: [text, before], warnings: [text] }));
    expect(comment?.isWellFormed()).toBe(true);
    expect(status?.description.isWellFormed()).toBe(true);
  });

  it('begins with the marker by which it is found again', () => {
    expect(commentOf(readyState())).toMatch(/^<!-- eph:test:1#1 -->\n/);
  });

  it('shows each service with both of its addresses', () => {
    const services = [
      { name: 'web', port: 3000, hostname: 'main', path: '/', primary: true },
      { name: 'api', port: 80, hostname: 'api--main', path: '/api', primary: false },
    ];
    const comment = commentOf(readyState({ services }));
    expect(comment).toContain(
      '| `api` | [/api](https://shop-calm-lake-000000-1-pr.eph.test/api) | [api--main](https://api--main) |',
    );
  });

  it('of a push that failed says what the address serves, and keeps the address whatever it serves', () => {
    const failure = { code: 'x', sentence: 'It ended.', sha: SHA, at: 0, log: [] };
    const before = 'b'.repeat(40);
    const still = commentOf(readyState({ failure, serving: { sha: before, generation: 1, since: 0 } }));
    expect(still).toMatch(
      /Update failed\n\n`\w{7}` could not be deployed\. The address still serves `bbbbbbb`/,
    );
    const lost = commentOf(without(readyState({ failure: { ...failure, lost: before } }), 'serving'));
    expect(lost).toMatch(/`bbbbbbb`, which the address served before, could not be started again/);
    for (const comment of [still, lost]) expect(comment).toContain('**https://shop-calm-lake');
    const never = commentOf(without(readyState({ failure }), 'serving'));
    expect(never).toContain('Preview failed');
    expect(never).not.toContain('https://');
  });

  it('says what takes so long while it does, and not any more when it has ended', () => {
    const doing = {
      stage: 'checking' as const,
      waiting: '`web` answers 500 at `/`, waiting until 19:51 UTC',
    };
    const busy = without(readyState({ order: { ...sampleOrder, doing } }), 'serving');
    expect(commentOf(busy)).toContain(
      '\n> Checking: \u200b`web` answers 500 at `/`, waiting until 19:51 UTC.\n',
    );
    const ended = readyState({ order: { ...sampleOrder, doing, finished: 'ready' } });
    expect(commentOf(ended)).not.toContain('19:51');
    const another = { ...sampleOrder, doing, sha: 'b'.repeat(40) };
    expect(commentOf(readyState({ order: another }))).not.toContain('19:51');
  });

  it('links a page that cannot live under a path at its own host name first, and tells ports apart', () => {
    const services = [
      { name: 'web', port: 3000, hostname: 'main', path: '/', primary: true },
      {
        name: 'web',
        port: 3001,
        hostname: 'web-3001--main',
        path: '/web-3001',
        primary: false,
        ownHost: true,
      },
    ];
    const comment = commentOf(readyState({ services }));
    expect(comment).toContain('| `web:3000` | [/](');
    expect(comment).toContain('| `web:3001` | [web-3001--main](https://web-3001--main) | [/web-3001](');
  });

  it('is not begun for a draft, and an existing one is kept true', () => {
    const draft = readyState({ pull: { ...samplePull, draft: true }, decline: 'draft' });
    expect(shown(draft).comment).toBeUndefined();
    expect(commentOf(draft, { comment: { id: 1, digest: 'x' } })).toContain('paused while this is a draft');
  });

  it('says that Eph goes on trying after the third try, and does not change with each further one', () => {
    const retry = { notBefore: 1, insisted: false, code: 'x', sentence: 'Cloudflare did not answer.' };
    const tried = (count: number) =>
      commentOf(readyState({ retries: { 'ensure-tunnel': { ...retry, count } } }));
    expect(tried(2)).not.toContain('Cloudflare');
    expect(tried(3)).toContain('Cloudflare did not answer. Eph goes on trying.');
    expect(tried(9)).toBe(tried(3));
  });
});

describe('the commit’s status', () => {
  it.each([
    ['of a commit that runs is a success', readyState(), 'success'],
    ['of a commit being built is pending', without(readyState({ order: sampleOrder }), 'serving'), 'pending'],
    [
      'of a commit that waits for a machine is pending',
      without(readyState({ phase: 'queued' }), 'host', 'order', 'serving'),
      'pending',
    ],
    ['of a commit that failed is a failure', failedWith({}), 'failure'],
  ])('%s', (_what, state, status) => {
    expect(shown(state).status?.state).toBe(status);
  });

  const declines = ['fork', 'bot', 'draft', 'unlisted', 'excluded', 'nothing-to-run'] as const;
  it.each(declines)('a %s has no commit status', (decline) => {
    expect(shown(readyState({ decline })).status).toBeUndefined();
  });

  it.each(declines)('a %s has a green one where the check may be required', (decline) => {
    const { status } = shown(readyState({ decline }), {}, true);
    expect(status).toEqual({ state: 'success', description: expect.stringMatching(/^No preview /) });
  });

  it.each(['pending', 'success'] as const)('that was %s ends with the preview, without a link', (told) => {
    const status = { sha: SHA, digest: 'x', state: told };
    for (const over of [
      { decline: 'draft' as const },
      { pull: { ...samplePull, state: 'closed' as const } },
    ]) {
      const ended = shown(readyState(over), { status }).status;
      expect(ended?.state).toBe('success');
      expect(ended).not.toHaveProperty('url');
    }
  });

  it('that was a failure stays one, and one that was never begun is not begun at the end', () => {
    const pull = { ...samplePull, state: 'closed' as const };
    const failed: GithubTold = { status: { sha: SHA, digest: 'x', state: 'failure' } };
    expect(shown(readyState({ pull }), failed).status).toBeUndefined();
    expect(shown(readyState({ pull })).status).toBeUndefined();
  });

  it('has no character above U+FFFF, which GitHub refuses', () => {
    const sentence = 'The step `echo 🚀 done 𝒻` failed\n  with \ud83d exit code 1.';
    expect(shown(failedWith({ sentence })).status?.description).toBe(
      'The step echo done failed with exit code 1.',
    );
  });
});
