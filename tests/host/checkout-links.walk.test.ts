import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkLeaves } from '../../host/archive-rules.ts';
import { openCheckout } from '../../host/checkout.ts';
import { DeployFailure } from '../../host/deploy-failure.ts';
import { extractArchive, surveyArchive } from '../../host/extract-archive.ts';
import { leavingMounts } from '../../host/leaving-mounts.ts';
import { type ArchiveEntry, makeTar, paxRecord } from './make-archive.ts';

const top = 'acme-shop-0123456/';
const never = new AbortController().signal;

describe('links and folders of a checkout', () => {
  let outer: string;
  let root: string;
  beforeEach(async () => {
    outer = realpathSync(await mkdtemp(join(tmpdir(), 'eph-links-')));
    root = join(outer, 'a/b/a/source');
  });
  afterEach(() => rm(outer, { recursive: true, force: true }));

  async function unpack(entries: ArchiveEntry[]) {
    const file = join(outer, 'source.tar.gz');
    writeFileSync(
      file,
      gzipSync(makeTar([{ path: top, type: '5' }, ...entries.map((e) => ({ ...e, path: top + e.path }))])),
    );
    const survey = await surveyArchive(file);
    return { survey, manifest: await extractArchive(file, root, {}, survey, never) };
  }
  const link = (path: string, target: string): ArchiveEntry => ({ path, type: '2', link: target });

  it('are followed step by step: `up/..` is the folder above the target of `up`', async () => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, '../tunnel-token'), 'secret');
    const { survey, manifest } = await unpack([
      { path: 'a/b/c/file', body: 'x' },
      link('a/b/up', '../..'),
      link('tok', 'a/b/up/../tunnel-token'),
      link('inside', 'a/b/../b/up/a/b/c/file'),
    ]);
    expect(existsSync(join(root, 'tok'))).toBe(false);
    expect(survey.warnings).toEqual(['`tok` is a link to outside the repository and was left out.']);
    expect(Object.keys(manifest).sort()).toEqual(['a/b/c/file', 'a/b/up', 'inside']);
    expect(readFileSync(join(root, 'inside'), 'utf8')).toBe('x');
  });

  it.each<[string, string, Record<string, string>, boolean]>([
    ['x', '/etc/passwd', {}, true],
    ['x', '', {}, true],
    ['x', '..', {}, true],
    ['a/x', '..', {}, false],
    ['a/x', '../../b', {}, true],
    // A container may make a missing entry.
    ['x', 'data/../../tunnel-token', {}, true],
    ['x', 'up/../y', { up: 'a/b' }, false],
    ['x', 'y', { y: 'x' }, false],
    ['x', `${'a/'.repeat(1_000)}b`, {}, true],
  ])('%s -> %s, with %o, leaves: %s', (path, target, others, leaves) => {
    expect(linkLeaves(path, new Map(Object.entries({ ...others, [path]: target })))).toBe(leaves);
  });

  it('are named a few times, not thousands of times', async () => {
    const { survey } = await unpack(Array.from({ length: 500 }, (_, index) => link(`l${index}`, '/etc')));
    expect(survey.warnings).toHaveLength(6);
    expect(survey.warnings.at(-1)).toBe('495 more links to outside the repository were left out.');
  });

  it('never lead out, whatever the archive, and nothing is written outside', async () => {
    const path = fc.constantFrom('up', 'b', 'a/up', 'a/b/up');
    const ups = fc.constantFrom('..', '../..', '../../..');
    const step = fc.constantFrom('..', '..', 'a', 'b', 'up', '.', '/a');
    const target = fc.array(step, { minLength: 1, maxLength: 5 }).map((steps) => steps.join('/'));
    const one: fc.Arbitrary<ArchiveEntry[]> = fc.oneof(
      fc.constantFrom('a/b/file', 'up').map((at) => [{ path: at, body: 'inside' }]),
      path.map((at) => [{ path: at, type: '5' }]),
      fc.tuple(path, target).map(([at, to]) => [link(at, to)]),
      // A link upwards, and one through it and some folders further up.
      fc
        .tuple(path, ups, path, ups)
        .map(([up, by, at, further]) => [link(up, by), link(at, `${up}/${further}/up`)]),
    );
    const archive = fc.array(one, { minLength: 1, maxLength: 4 }).map((entries) => entries.flat());
    let unpacked = 0;
    await fc.assert(
      fc.asyncProperty(archive, async (entries) => {
        await rm(join(outer, 'a'), { recursive: true, force: true });
        // Every link that leaves leads to something.
        mkdirSync(root, { recursive: true });
        for (const folder of ['', 'a', 'a/b', 'a/b/a']) {
          for (const other of ['a', 'b', 'up']) mkdirSync(join(outer, folder, other), { recursive: true });
        }
        const before = treeOf(outer, root);
        try {
          await unpack(entries);
          unpacked++;
        } catch (error) {
          if (!(error instanceof DeployFailure)) throw error;
        }
        expect(treeOf(outer, root)).toEqual(before);
        for (const at of treeOf(root)) {
          const real = realpathOf(join(root, at));
          expect(real === undefined || real === root || real.startsWith(`${root}/`), `${at} is ${real}`).toBe(
            true,
          );
        }
      }),
      { numRuns: 150 },
    );
    expect(unpacked).toBeGreaterThan(50);
  });

  it('are refused where an archive has two entries for one path', async () => {
    const twice = [{ path: 'a', body: '1' }, link('a', 'b')];
    await expect(unpack(twice)).rejects.toThrow('contains `a` twice');
    const both = [link('a', 'b'), { path: 'a/x', body: '1' }];
    await expect(unpack(both)).rejects.toThrow('contains `a` both as a folder and as a file or link');
  });

  it('are checked for each entry: a folder that a container replaced by a link is not written through', async () => {
    mkdirSync(join(outer, 'elsewhere'));
    const checkout = await openCheckout(root, {}, []);
    await checkout.write('app/src/one.txt', Buffer.from('1'), false);
    renameSync(join(root, 'app/src'), join(root, 'moved'));
    symlinkSync(join(outer, 'elsewhere'), join(root, 'app/src'));
    await checkout.write('app/src/two.txt', Buffer.from('2'), false);
    await checkout.link('app/src/three', 'two.txt');
    await checkout.close();
    expect(readdirSync(join(outer, 'elsewhere'))).toEqual([]);
    expect(readFileSync(join(root, 'app/src/two.txt'), 'utf8')).toBe('2');
    expect(lstatSync(join(root, 'app/src')).isDirectory()).toBe(true);
  });

  it('are followed again when something is mounted: a container may have put one there', () => {
    mkdirSync(join(root, 'web'), { recursive: true });
    symlinkSync('../../../tunnel-token', join(root, 'web/data'));
    symlinkSync('web', join(root, 'html'));
    const volumes = (source: string) => [{ type: 'bind', source: join(root, source) }];
    const project = {
      services: { a: { volumes: volumes('web/data/x') }, b: { volumes: volumes('html') } },
      secrets: { key: { file: join(root, 'html/data') } },
      volumes: { own: { driver_opts: { type: 'none', o: 'bind', device: join(root, 'missing') } } },
    };
    expect(leavingMounts(project, root)).toEqual(['web/data/x', 'html/data']);
  });

  it.each<[string, ArchiveEntry]>([
    ['negative', { path: 'pax', type: 'x', body: paxRecord('size', '-512') }],
    ['broken', { path: 'pax', type: 'x', body: paxRecord('size', '1.5') }],
    ['in words', { path: 'pax', type: 'x', body: paxRecord('size', 'many') }],
    ['in another notation', { path: 'pax', type: 'x', body: paxRecord('size', '0x10') }],
    [
      'larger than a number can be',
      { path: 'pax', type: 'x', body: paxRecord('size', '99999999999999999999') },
    ],
  ])('come from an archive whose sizes are whole and positive: %s', async (_, header) => {
    await expect(unpack([header, { path: 'a', body: 'x' }])).rejects.toThrow('a size is no number');
  });

  it.each([
    ['octal that is none', '0000000089\0 '],
    ['negative in base 256', `\xff${'\xff'.repeat(11)}`],
    ['endless in base 256', `\x80${'\x7f'.repeat(11)}`],
  ])('come from an archive whose sizes are whole and positive: %s', async (_, size) => {
    const tar = makeTar([{ path: `${top}a`, body: 'x' }]);
    tar.write(size, 124, 'latin1');
    tar.write('        ', 148, 'latin1');
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const file = join(outer, 'source.tar.gz');
    writeFileSync(file, gzipSync(tar));
    await expect(surveyArchive(file)).rejects.toThrow('a size is no number');
  });
});

/** Every path below a folder, without what is below `except`. */
function treeOf(folder: string, except?: string): string[] {
  const found: string[] = [];
  const walk = (at: string, below: string) => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.name !== 'source.tar.gz') found.push(path);
      if (entry.isDirectory() && join(at, entry.name) !== except) walk(join(at, entry.name), path);
    }
  };
  walk(folder, '');
  return found.sort();
}

/** The kernel's own resolution: Node's `realpathSync` removes `link/..` before it follows the link. */
function realpathOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
