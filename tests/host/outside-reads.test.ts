import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outsideReads } from '../../host/outside-reads.ts';

describe('what docker compose reads while it puts a project together', () => {
  let root: string;
  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), 'eph-reads-')), 'source');
  });
  afterEach(() => rm(dirname(root), { recursive: true, force: true }));

  const asked: { texts: readonly string[]; envFiles: readonly string[] }[] = [];
  /** `$X` has the value that the test sets. */
  async function readsOf(files: Record<string, string>, variables: Record<string, string> = {}) {
    asked.length = 0;
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const { reads, unread } = await outsideReads({
      root,
      folder: root,
      files: [join(root, 'compose.yaml')],
      envFiles: ['/eph.env'],
      interpolate: async (texts, envFiles) => {
        asked.push({ texts, envFiles });
        return texts.map((text) => text.replace(/\$(\w+)/g, (_, name) => variables[name] ?? ''));
      },
    });
    return [...reads, ...unread].map(({ asks }) => asks);
  }
  const web = (key: string) => `services: {web: {image: x, ${key}}}`;
  const outside = (path: string, key: string) => `reads ${path} from outside of the repository (\`${key}\`)`;

  it('stays inside the repository for an ordinary project', async () => {
    expect(
      await readsOf({
        'compose.yaml': `include: [infra/compose.yaml]\n${web('env_file: [.env, {path: infra/../b.env}], extends: {file: infra/base.yaml, service: a}')}`,
        'infra/compose.yaml': web('env_file: ../.env'),
        'infra/base.yaml': web('env_file: base.env'),
      }),
    ).toEqual([]);
  });

  it.each([
    [web('env_file: /var/lib/eph/tunnel-token'), '/var/lib/eph/tunnel-token', 'env_file'],
    [web('env_file: [{path: ../tunnel-token, required: false}]'), '../tunnel-token', 'env_file'],
    [web('env_file: ~/x'), '~/x', 'env_file'],
    [web('label_file: [../x]'), '../x', 'label_file'],
    [web('extends: {file: /etc/x.yaml, service: a}'), '/etc/x.yaml', 'extends'],
    ['include: [../other/compose.yaml]', '../other/compose.yaml', 'include'],
    ['include: [{path: [a.yaml, /b.yaml]}]', '/b.yaml', 'include'],
    ['include: [{path: a.yaml, project_directory: /var/lib/eph}]', '/var/lib/eph', 'include'],
    ['include: [{path: a.yaml, env_file: ../x}]', '../x', 'include.env_file'],
    ['include: ["oci://registry.example/x"]', 'oci://registry.example/x', 'include'],
    ['include: ["git@github.com:acme/x.git"]', 'git@github.com:acme/x.git', 'include'],
    ['include: ["github.com/acme/x.git"]', 'github.com/acme/x.git', 'include'],
    [`${web('env_file: b.env')}\n---\n${web('env_file: /etc/x')}`, '/etc/x', 'env_file'],
    [`x-a: &a {env_file: /etc/x}\nservices: {web: {<<: *a, image: x}}`, '/etc/x', 'env_file'],
  ])('is told when it leaves the repository: %s', async (text, path, key) => {
    expect(await readsOf({ 'compose.yaml': text })).toContain(outside(path, key));
  });

  it('is followed from file to file, with relative paths from where compose starts them', async () => {
    expect(
      await readsOf({
        'compose.yaml': 'include: [a/compose.yaml, {path: b/compose.yaml, project_directory: .}]',
        'a/compose.yaml': web('env_file: ../../x, extends: {file: deep/base.yaml, service: web}'),
        'a/deep/base.yaml': web('env_file: ../../../y'),
        'b/compose.yaml': web('env_file: ../z'),
      }),
    ).toEqual([
      outside('../../x', 'env_file'),
      outside('../z', 'env_file'),
      outside('../../../y', 'env_file'),
    ]);
  });

  it('has its variables filled in by compose, with the env file of the include', async () => {
    const files = {
      'compose.yaml': 'include: [$NEXT]',
      'a/compose.yaml': web('env_file: $FILE'),
      'a/.env': 'FILE=/etc/x\n',
    };
    expect(await readsOf(files, { NEXT: 'a/compose.yaml', FILE: '/etc/x' })).toEqual([
      outside('/etc/x', 'env_file'),
    ]);
    expect(asked).toEqual([
      { texts: ['$NEXT'], envFiles: [] },
      { texts: ['$FILE'], envFiles: [join(root, 'a/.env')] },
    ]);
  });

  it('counts as leaving the checkout if it cannot be read: too large, too deep, or no YAML that we know', async () => {
    const unread = 'is written in a way that Eph cannot check (compose.yaml)';
    expect(await readsOf({ 'compose.yaml': 'a: b: c' })).toEqual([unread]);
    expect(await readsOf({ 'compose.yaml': `# ${'x'.repeat(1024 * 1024)}\n` })).toEqual([unread]);
    const bomb = Array.from({ length: 9 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`);
    expect(await readsOf({ 'compose.yaml': ['a-1: &a-1 [x]', ...bomb].join('\n') })).toEqual([unread]);
  });
});
