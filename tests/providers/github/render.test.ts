import fc from 'fast-check';
import { marked } from 'marked';
import { describe, expect, it } from 'vitest';
import type { EnvironmentState } from '#core/environment';
import { summarize } from '#core/summary';
import {
  digest,
  forgetReported,
  type GithubReported,
} from '../../../lambdas/providers/github/github-reported.ts';
import { partDue, viewOf } from '../../../lambdas/providers/github/github-view.ts';
import { judged } from '../../fakes/judged.ts';
import {
  readyState,
  SHA,
  sampleHost,
  samplePull,
  sampleSentSpec,
  without,
} from '../../fakes/sample-state.ts';

const context = {
  environment: '1#1',
  number: 1,
  urlTemplate: 'https://{host}',
  reachable: true,
  required: false,
};

/** A row, and beside it what was reported of it. */
type Told = EnvironmentState & GithubReported;

function summaryOf(row: Told, changes: Partial<typeof context> = {}) {
  const { comment, status, deployment, ...state } = row;
  const told = { ...(comment && { comment }), ...(status && { status }), ...(deployment && { deployment }) };
  return { summary: summarize(judged(state), { ...context, ...changes }), told };
}

function view(row: Told, changes?: Partial<typeof context>) {
  const { summary, told } = summaryOf(row, changes);
  return summary ? viewOf(summary, told, 'test') : undefined;
}

const commentOf = (row: Told, changes?: Partial<typeof context>) => view(row, changes)?.comment ?? '';

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

/** The text without the log: the log is code and shows everything as it is, but GitHub acts on the rest. */
function outsideOfCode(comment: string): string {
  return String(marked.parse(comment, { gfm: true, async: false })).replace(/<pre>[\s\S]*?<\/pre>/g, '');
}

describe('the comment', () => {
  it('cannot be broken by what a host writes, be it a tag, a mention, a link or the end of a block', () => {
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
    expect(view(much)?.status?.description.length).toBeLessThanOrEqual(140);
  });

  it.each(['', 'x'])('is never cut in the middle of a character: "%s" and then two halves each', (before) => {
    const text = before + '😀'.repeat(4_000);
    const shown = view(failedWith({ sentence: text, log: [text, before], warnings: [text] }));
    expect(shown?.comment?.isWellFormed()).toBe(true);
    expect(shown?.status?.description.isWellFormed()).toBe(true);
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

  it('of a push that failed says what the address serves, and keeps the address', () => {
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

  it('says what takes long only while it does', () => {
    const doing = {
      stage: 'checking' as const,
      waiting: '`web` answers 500 at `/`, waiting until 19:51 UTC',
    };
    const busy = without(readyState({ order: { ...sampleSentSpec, doing } }), 'serving');
    expect(commentOf(busy)).toContain(
      '\n> Checking: \u200b`web` answers 500 at `/`, waiting until 19:51 UTC.\n',
    );
    const ended = readyState({ order: { ...sampleSentSpec, doing, finished: 'ready' } });
    expect(commentOf(ended)).not.toContain('19:51');
    const another = { ...sampleSentSpec, doing, sha: 'b'.repeat(40) };
    expect(commentOf(readyState({ order: another }))).not.toContain('19:51');
  });

  it('links a page first at its own host name where it needs that, and shows several ports', () => {
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

  it('is not begun for a draft, and an existing one is kept up to date', () => {
    const draft = readyState({ pull: { ...samplePull, draft: true } });
    expect(view(draft)?.comment).toBeUndefined();
    const told = { ...draft, comment: { id: 1, digest: 'x' } };
    expect(commentOf(told)).toContain('paused while this is a draft');
  });

  it('says after the third try that Eph keeps trying, and does not change with each further try', () => {
    const retry = { notBefore: 1, insisted: false, code: 'x', sentence: 'Cloudflare did not answer.' };
    const tried = (count: number) =>
      commentOf(readyState({ retries: { 'open-address': { ...retry, count } } }));
    expect(tried(2)).not.toContain('Cloudflare');
    expect(tried(3)).toContain('Cloudflare did not answer. Eph goes on trying.');
    expect(tried(9)).toBe(tried(3));
  });
});

/** A comment that exists is kept up to date. */
const told = { comment: { id: 1, digest: 'x' } };
const open = samplePull;
const closed = { ...samplePull, state: 'closed' as const };
const asleep = { ...sampleHost, power: 'off' as const };

describe('the comment of a pull request that is not deployed', () => {
  it.each([
    ['closed', readyState({ ...told, pull: closed }), 'The pull request was closed. The address is gone and'],
    [
      'merged',
      readyState({ ...told, pull: { ...closed, merged: true } }),
      'The pull request was merged. The',
    ],
    [
      'archived',
      readyState({ ...told, pull: { ...open, archived: true } }),
      'The repository was archived. The address is gone and the machine is off',
    ],
    [
      'taken down with Eph',
      readyState({ ...told, paused: 'closed' }),
      'Eph is being taken down. The address is gone and the machine is off',
    ],
    [
      'closed, and its machine is gone',
      without(readyState({ ...told, pull: closed }), 'host'),
      'The pull request was closed. Address, machine and disk are gone.',
    ],
  ])('that is %s says so, and shows no address', (_what, state, sentence) => {
    expect(commentOf(state)).toContain(sentence);
    expect(commentOf(state)).not.toContain('https://');
  });

  it.each<['fork' | 'bot' | 'draft' | 'unlisted' | 'excluded' | 'nothing-to-run', boolean]>([
    ['fork', true],
    ['bot', true],
    ['draft', false],
    ['unlisted', false],
    ['excluded', false],
    ['nothing-to-run', false],
  ])('is begun for %s: %s', (decline, begun) => {
    const state = readyState({ wanted: { level: 'absent', reason: decline } });
    expect(view(state)?.comment !== undefined).toBe(begun);
    expect(commentOf({ ...state, ...told })).toMatch(/### .+ (No preview|Preview paused|Nothing to preview)/);
    expect(commentOf({ ...state, ...told })).not.toContain('https://');
  });

  it('is not begun for one that is closed', () => {
    expect(view(readyState({ pull: closed }))?.comment).toBeUndefined();
  });

  it('has no warnings and no times of what ran before', () => {
    const over = readyState({ ...told, pull: closed, warnings: ['w w'], timings: { building: 1_000 } });
    expect(commentOf(over)).not.toContain('w w');
    expect(commentOf(over)).not.toContain('<sub>');
  });

  it('does not exist before GitHub has answered for the pull request', () => {
    expect(view(without(readyState(), 'pull'))).toBeUndefined();
  });
});

describe('the comment of an environment that is not ready yet', () => {
  const busy = without(readyState({ order: sampleSentSpec }), 'serving');
  const queued = without(readyState({ phase: 'queued' }), 'host', 'order', 'serving');
  const retry = { count: 1, notBefore: 1, insisted: false, code: 'x' };

  it('shows the address during a build and an update', () => {
    const serving = { sha: 'b'.repeat(40), generation: 1, since: 0 };
    expect(commentOf(busy)).toContain('Preview is being built');
    expect(commentOf({ ...busy, serving })).toContain('Until then the address serves `bbbbbbb`');
    for (const state of [busy, { ...busy, serving }]) expect(commentOf(state)).toContain('**https://shop-');
  });

  it('that waits for a machine says why, and shows no address', () => {
    expect(commentOf(queued)).toContain('There is no machine to be had at the moment');
    const launching = { ...queued, retries: { 'launch-host': { ...retry, sentence: 'No room.' } } };
    expect(commentOf(launching)).toContain('No room.');
    const starting = { ...queued, retries: { 'start-host': { ...retry, sentence: 'No room here.' } } };
    expect(commentOf(starting)).toContain('No room here.');
    for (const state of [queued, launching, starting]) expect(commentOf(state)).not.toContain('https://');
  });

  it('that the operator holds back says so, with its address when asleep, without when waiting', () => {
    const stopped = without(
      readyState({ phase: 'stopped', paused: 'everything', host: asleep }),
      'order',
      'serving',
    );
    expect(commentOf(stopped)).toContain('Preview is asleep');
    expect(commentOf(stopped)).toContain('**https://shop-');
    // What was reported of its commit is neither reported again nor taken back.
    const status = { sha: SHA, digest: 'x', state: 'pending' as const };
    expect(view({ ...stopped, status })?.status).toBeUndefined();
    const waiting = { ...queued, paused: 'launches' as const };
    expect(commentOf(waiting)).toContain('Waiting for Eph to be resumed');
    expect(commentOf(waiting)).not.toContain('https://');
  });

  it('shows the step that has failed most often', () => {
    const retries = {
      'notify-host': { ...retry, count: 3, sentence: 'It does not answer.' },
      'open-address': { ...retry, count: 9, sentence: 'Cloudflare is down.' },
    };
    const comment = commentOf({ ...busy, retries });
    expect(comment).toContain('Cloudflare is down.');
    expect(comment).not.toContain('It does not answer.');
  });
});

describe('the comment of an environment that runs', () => {
  it('shows its address alone where there is one service, and a table where there are more', () => {
    const web = { name: 'web', port: 80, hostname: 'main', path: '/', primary: true };
    const api = { name: 'api', port: 80, hostname: 'api--main', path: '/api', primary: false };
    const one = commentOf(readyState({ services: [web] }));
    expect(one).toContain('**https://shop-');
    expect(one).not.toContain('|');
    const rows = commentOf(readyState({ services: [web, api] }))
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows.map((row) => row.split(' | ')[0])).toEqual(['| `web`', '| `api`']);
  });

  it('shows ten warnings, and before them the hints about files with nearly right names', () => {
    const { settings } = readyState();
    if (!settings) throw new Error('the sample has settings');
    const warnings = Array.from({ length: 12 }, (_, n) => `warning ${n}.`);
    const comment = commentOf(readyState({ settings: { ...settings, hints: ['a hint'] }, warnings }));
    expect(comment).toContain('a hint');
    expect(comment).toContain('warning 8.');
    expect(comment).not.toContain('warning 9.');
    expect(commentOf(readyState({ warnings: ['the only one'] }))).toContain('the only one');
    expect(commentOf(readyState())).not.toContain('⚠');
  });

  it('says how long each stage took, once it has ended', () => {
    const timings = { fetching: 1_040, building: 62_000 };
    expect(commentOf(readyState({ timings }))).toContain('<sub>fetching 1.0 s · building 62.0 s</sub>');
    expect(commentOf(readyState({ timings: { building: 5_000 } }))).toContain('<sub>building 5.0 s</sub>');
    expect(commentOf(readyState({ timings, order: sampleSentSpec }))).not.toContain('<sub>');
    expect(commentOf(readyState({ timings: {} }))).not.toContain('<sub>');
    expect(commentOf(without(readyState(), 'timings'))).not.toContain('<sub>');
  });
});

describe('the comment of a commit that failed', () => {
  it('has the log in a block, with a longer fence only where the log has a fence', () => {
    expect(commentOf(failedWith({ log: ['boom'] }))).toContain('\n```text\nboom\n```\n');
    expect(commentOf(failedWith({ log: ['````'] }))).toContain('\n`````text\n````\n`````\n');
    expect(commentOf(failedWith({ log: [''] }))).not.toContain('<details>');
  });

  it('says what still serves only while the address leads to it', () => {
    const failure = { code: 'x', sentence: 'It ended.', sha: SHA, at: 0, log: [] };
    const served = readyState({ failure, serving: { sha: 'b'.repeat(40), generation: 1, since: 0 } });
    expect(commentOf(served)).toContain('The address still serves `bbbbbbb`');
    expect(commentOf(served, { reachable: false })).toMatch(
      /Preview failed\n\n`aaaaaaa` could not be deployed\./,
    );
    expect(commentOf(served, { reachable: false })).not.toContain('https://');
  });

  it('cuts a sentence at 2,000 characters and not before', () => {
    const whole = 'x'.repeat(2_000);
    expect(commentOf(failedWith({ sentence: whole }))).toContain(`> ${whole}\n`);
    expect(commentOf(failedWith({ sentence: `${whole}y` }))).toContain(`> ${'x'.repeat(1_999)}…\n`);
  });
});

describe('a report', () => {
  const all = (state: EnvironmentState): Told => {
    const shown = view(state);
    return {
      ...state,
      comment: { id: 1, digest: digest(shown?.comment) },
      status: { sha: SHA, digest: digest(shown?.status), state: 'success' },
      deployment: { id: 1, sha: SHA, state: 'success' },
    };
  };
  const isDue = (row: Told) => {
    const { summary, told } = summaryOf(row);
    return summary !== undefined && partDue(summary, told, viewOf(summary, told, 'test')) !== undefined;
  };

  it('is not due where everything was reported', () => {
    expect(isDue(all(readyState()))).toBe(false);
  });

  it.each(['comment', 'status', 'deployment'] as const)('is due if only the %s is missing', (channel) => {
    const { [channel]: _untold, ...rest } = all(readyState());
    expect(isDue(rest)).toBe(true);
  });

  it.each([
    ['another commit', { id: 1, sha: 'b'.repeat(40), state: 'success' as const }],
    ['another state', { id: 1, sha: SHA, state: 'in_progress' as const }],
  ])('is due where the deployment was reported with %s', (_what, deployment) => {
    expect(isDue({ ...all(readyState()), deployment })).toBe(true);
  });

  it('has a deployment of the commit that is deployed, and before that of the newest', () => {
    const other = 'b'.repeat(40);
    const deployed = (state: EnvironmentState) => summaryOf(state).summary?.deployed;
    expect(deployed(readyState({ order: { ...sampleSentSpec, sha: other } }))).toBe(other);
    expect(deployed(without(readyState(), 'order'))).toBe(SHA);
  });

  it('is not due before GitHub has answered for the pull request', () => {
    expect(isDue(without(readyState(), 'pull'))).toBe(false);
  });

  it('has a deployment’s address once that answers, and its end once', () => {
    const deployment = view(readyState())?.deployment;
    expect(deployment).toMatchObject({
      state: 'success',
      url: 'https://shop-calm-lake-000000-1-pr.eph.test',
    });
    const busy = without(readyState({ order: sampleSentSpec }), 'serving');
    expect(view(busy)?.deployment).toEqual({
      state: 'in_progress',
      description: 'Deploying aaaaaaa',
    });
    const over = all(readyState({ ...told, pull: closed }));
    const failed = { ...over, status: { sha: SHA, digest: '', state: 'failure' as const } };
    expect(isDue(failed)).toBe(true);
    expect(isDue({ ...failed, deployment: { id: 1, sha: SHA, state: 'inactive' } })).toBe(false);
    const { deployment: _never, ...undeployed } = failed;
    expect(isDue(undeployed)).toBe(false);
  });

  it('is due for everything anew, with the same comment and deployment, after a run that died', () => {
    const anew = forgetReported(summaryOf(all(readyState())).told);
    expect(isDue({ ...readyState(), ...anew })).toBe(true);
    expect(anew).toMatchObject({
      comment: { id: 1 },
      deployment: { id: 1 },
      // No row has what the dead run reported, and of which commit; a status that it began must end all the same.
      status: { sha: '', digest: '' },
    });
    expect(forgetReported({})).toEqual({ status: { sha: '', digest: '' } });
    const over = all(readyState({ wanted: { level: 'absent', reason: 'draft' } }));
    expect(view({ ...over, ...forgetReported({}) })?.status?.state).toBe('success');
  });
});

describe('the commit’s status', () => {
  it.each([
    ['of a commit that runs is a success', readyState(), 'success'],
    [
      'of a commit being built is pending',
      without(readyState({ order: sampleSentSpec }), 'serving'),
      'pending',
    ],
    [
      'of a commit that waits for a machine is pending',
      without(readyState({ phase: 'queued' }), 'host', 'order', 'serving'),
      'pending',
    ],
    ['of a commit that failed is a failure', failedWith({}), 'failure'],
  ])('%s', (_what, state, status) => {
    expect(view(state)?.status?.state).toBe(status);
  });

  const declines = ['fork', 'bot', 'draft', 'unlisted', 'excluded', 'nothing-to-run'] as const;
  it.each(declines)('of a %s does not exist', (decline) => {
    expect(view(readyState({ wanted: { level: 'absent', reason: decline } }))?.status).toBeUndefined();
  });

  it.each(declines)('of a %s is green where the check may be required', (decline) => {
    const status = view(readyState({ wanted: { level: 'absent', reason: decline } }), {
      required: true,
    })?.status;
    expect(status).toEqual({ state: 'success', description: expect.stringMatching(/^No preview /) });
  });

  it.each(['pending', 'success'] as const)('that was %s ends with the preview, without a link', (told) => {
    const status = { sha: SHA, digest: 'x', state: told };
    for (const over of [
      { wanted: { level: 'absent' as const, reason: 'draft' as const } },
      { pull: { ...samplePull, state: 'closed' as const } },
    ]) {
      const ended = view({ ...readyState(over), status })?.status;
      expect(ended?.state).toBe('success');
      expect(ended).not.toHaveProperty('url');
    }
  });

  it('that was a failure stays one, and a status that was never begun is not begun at the end', () => {
    const pull = { ...samplePull, state: 'closed' as const };
    const status = { sha: SHA, digest: 'x', state: 'failure' as const };
    expect(view({ ...readyState({ pull }), status })?.status).toBeUndefined();
    expect(view(readyState({ pull }))?.status).toBeUndefined();
  });

  it('has at most 140 characters, and all of them where there are no more', () => {
    const description = (sentence: string) => view(failedWith({ sentence }))?.status?.description;
    expect(description('x'.repeat(140))).toBe('x'.repeat(140));
    expect(description('x'.repeat(141))).toBe(`${'x'.repeat(139)}…`);
    expect(description(' the `end`\n')).toBe('the end');
  });

  it('has no character above U+FFFF, which GitHub refuses', () => {
    const sentence = 'The step `echo 🚀 done 𝒻` failed\n  with \ud83d exit code 1.';
    expect(view(failedWith({ sentence }))?.status?.description).toBe(
      'The step echo done failed with exit code 1.',
    );
  });
});
