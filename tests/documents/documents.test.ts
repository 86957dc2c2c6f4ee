import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deployPermissions, permissions, runtimePermissions } from '../../infra/cloudflare/permissions.ts';
import { appPermissions } from '../../infra/github/app-manifest.ts';

/** What the documents name must be there: a reader who types a command or opens a file finds it. */
const root = join(import.meta.dirname, '../..');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...globSync('docs/*.md', { cwd: root }).sort(),
].map((name) => ({ name, text: read(name) }));
const operations = read('docs/operations.md');
const makefile = read('Makefile');
const targets = [...makefile.matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name ?? '');
const files = globSync('**/*', {
  cwd: root,
  exclude: ['**/node_modules', '**/.git', '.tools', '.local', 'cdk.out'],
});
const folders = [...new Set(files.map((file) => file.split('/')[0] ?? ''))].filter(
  (name) => !name.includes('.'),
);

describe('make', () => {
  it('lists every target in make help', () => {
    const helped = [...makefile.matchAll(/^([a-z0-9-]+):.*## \S/gm)].map(([, name]) => name);
    expect(helped).toEqual(targets);
    expect(targets.length).toBeGreaterThan(30);
  });

  it.each(documents)('has every target that $name names', ({ text }) => {
    expect(targetsIn(text).filter((target) => !targets.includes(target))).toEqual([]);
  });

  it.each(['Run `make tea`, then', 'first\nmake tea\n'])('would not pass for a document with %j', (text) => {
    expect(targetsIn(text).filter((target) => !targets.includes(target))).toEqual(['tea']);
  });

  it('has every target that a command or a setting names', () => {
    const sources = globSync('{scripts,infra}/**/*.{ts,sh}', { cwd: root });
    const named = [...sources, '.env.example'].flatMap((file) =>
      quotedTargetsIn(read(file)).map((target) => ({ target, file })),
    );
    expect(named.filter(({ target }) => !targets.includes(target))).toEqual([]);
    // What whoever operates Eph is sent to, by commands and settings alike: it is found where it is written.
    const found = named.map(({ target }) => target);
    const sentTo = ['setup', 'doctor', 'plan', 'deploy', 'destroy', 'smoke', 'rotate', 'pause', 'ami-build'];
    expect(sentTo.filter((target) => !found.includes(target))).toEqual([]);
    expect(named.map(({ file }) => file)).toContain('.env.example');
  });

  it.each(['(`make tea`)', "'make tea'", '"make tea"'])(
    'would not pass for a command that says %s',
    (text) => {
      expect(quotedTargetsIn(text)).toEqual(['tea']);
    },
  );
});

describe('README.md', () => {
  it('is short enough for a first visit', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200);
  });

  it('leads to every other document', () => {
    const readme = read('README.md');
    const unseen = documents.filter(({ name }) => name !== 'README.md' && !readme.includes(`](${name}`));
    expect(unseen.map(({ name }) => name)).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  it('has the permissions of both Cloudflare tokens', () => {
    const rows = [
      ...operations.matchAll(/^\| (.+: (?:Edit|Read)) \((account|zone)\) \| (\S*) \| (\S*) ?\|/gm),
    ];
    const told = rows.map(([, label, scope, deploy, runtime]) => ({ label, scope, deploy, runtime }));
    const mark = (isSo: boolean) => (isSo ? '✓' : '');
    const wanted = Object.values(permissions).map((permission) => ({
      label: permission.label,
      scope: permission.scope,
      deploy: permission === permissions.mint ? 'optional' : mark(deployPermissions.includes(permission)),
      runtime: mark(runtimePermissions.includes(permission)),
    }));
    expect(told).toHaveLength(wanted.length);
    expect(told).toEqual(expect.arrayContaining(wanted));
  });

  it('has the permissions of the App', () => {
    const [, reads = '', writes = ''] =
      /\*\*GitHub App\*\*: reads ([^;]+); writes ([^.]+)\./.exec(operations) ?? [];
    const words: Record<keyof typeof appPermissions, string> = {
      metadata: 'metadata',
      contents: 'contents',
      issues: 'issues',
      checks: 'checks',
      merge_queues: 'merge queues',
      pull_requests: 'pull requests',
      statuses: 'commit statuses',
      deployments: 'deployments',
    };
    for (const [name, word] of Object.entries(words)) {
      const level = Object.entries(appPermissions).find(([one]) => one === name)?.[1];
      expect((level === 'write' ? writes : reads).replaceAll('\n', ' '), name).toContain(word);
    }
    expect(Object.keys(words).toSorted()).toEqual(Object.keys(appPermissions).toSorted());
  });
});

describe.each(documents)('$name', ({ name, text }) => {
  it('names only files that are there', () => {
    expect(pathsIn(text).filter((path) => !isThere(path))).toEqual([]);
  });

  it('links to what is there', () => {
    expect(brokenLinksIn(text, dirname(name))).toEqual([]);
  });
});

describe('a document', () => {
  it('would not pass with a file that is not there', () => {
    const text = 'See `lambdas/core/tea.ts`, `tea.ts` and `lambdas/core/job.ts`.';
    expect(pathsIn(text).filter((path) => !isThere(path))).toEqual(['lambdas/core/tea.ts', 'tea.ts']);
  });

  it('would not pass with a link to nowhere', () => {
    const text = '# Tea\n[a](#tea) [b](#cups) [c](TEA.md) [d](README.md#cups) [e](https://example.org)';
    expect(brokenLinksIn(text, '.')).toEqual(['#cups', 'TEA.md', 'README.md#cups']);
  });
});

/** In code, or on a line of its own. */
function targetsIn(text: string): string[] {
  const named = [...text.matchAll(/`make ([a-z][a-z0-9-]*)/g), ...text.matchAll(/^make ([a-z][a-z0-9-]*)/gm)];
  return named.map(([, target]) => target ?? '');
}

/** In quotes of any kind: prose says "make it". */
function quotedTargetsIn(text: string): string[] {
  return [...text.matchAll(/[`"']make ([a-z][a-z0-9-]*)/g)].map(([, target]) => target ?? '');
}

/** @param folder where the document lies, from which its links go */
function brokenLinksIn(text: string, folder: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link ?? '')
    .filter((link) => !/^(https?:|mailto:)/.test(link))
    .filter((link) => {
      const [path, anchor] = link.split('#');
      if (path && !existsSync(join(root, folder, path))) return true;
      return anchor !== undefined && !anchorsOf(path ? read(join(folder, path)) : text).includes(anchor);
    });
}

/** In backticks, and either below one of the repository's folders or a file's name alone. */
function pathsIn(text: string): string[] {
  return [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([\w.-]+(?:\/[\w.-]+)*\/?)`/g)]
    .map(([, path]) => path ?? '')
    .filter((path) =>
      folders.includes(path.split('/')[0] ?? '') && path.includes('/')
        ? true
        : /^[\w-]+\.(ts|json|sh|md|jsonc|hcl|mjs)$/.test(path),
    )
    .filter((path) => !['platform.json', 'wire.jsonl', 'index.mjs', 'next.json'].includes(path));
}

function isThere(path: string): boolean {
  if (existsSync(join(root, path))) return true;
  return !path.includes('/') && files.some((file) => basename(file) === path);
}

/** As GitHub makes them from headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
