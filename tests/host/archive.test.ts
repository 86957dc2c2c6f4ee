import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentDisk } from '../../host/agent-disk.ts';
import { openAgentDisk } from '../../host/agent-disk.ts';
import type { Manifest } from '../../host/checkout.ts';
import { extractArchive, surveyArchive } from '../../host/extract-archive.ts';
import { installCheckout } from '../../host/install-checkout.ts';
import { type ArchiveEntry, makeTar, paxRecord, repositoryArchive } from './make-archive.ts';

const top = 'acme-shop-0123456/';
const never = new AbortController().signal;

describe('the source', () => {
  let root: string;
  let disk: AgentDisk;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'eph-source-'));
    disk = await openAgentDisk(join(root, 'eph'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const inSource = (path: string) => join(disk.source, path);
  const inApp = (path: string) => join(disk.app, path);

  async function unpack(archive: Buffer, previous: Manifest = {}): Promise<Manifest> {
    const file = join(root, 'source.tar.gz');
    writeFileSync(file, archive);
    return extractArchive(file, disk.source, previous, await surveyArchive(file), never);
  }
  const survey = async (archive: Buffer) => {
    const file = join(root, 'source.tar.gz');
    writeFileSync(file, archive);
    return surveyArchive(file);
  };

  it('comes without its top folder, with the executable bit and long names', async () => {
    const long = `${'deep/'.repeat(30)}file.txt`;
    const manifest = await unpack(
      repositoryArchive({ 'a/check.sh': '#!/bin/sh\n', 'b.txt': 'b' }, [
        { path: 'pax', type: 'x', body: paxRecord('path', top + long) },
        { path: 'short', body: 'long name' },
      ]),
    );
    expect(Object.keys(manifest).sort()).toEqual(['a/check.sh', 'b.txt', long].sort());
    expect(statSync(inSource('a/check.sh')).mode & 0o777).toBe(0o755);
    expect(statSync(inSource('b.txt')).mode & 0o777).toBe(0o644);
    expect(readFileSync(inSource(long), 'utf8')).toBe('long name');
  });

  it.each<[string, ArchiveEntry, string]>([
    ['a path with ..', { path: `${top}../../etc/passwd`, body: 'x' }, 'leaves the repository'],
    ['an absolute path', { path: '/etc/passwd', body: 'x' }, 'leaves the repository'],
    ['a file instead of the top folder', { path: 'passwd', body: 'x' }, 'leaves the repository'],
    ["git's own folder", { path: `${top}.git/hooks/post-checkout`, body: 'x' }, 'leaves the repository'],
    ['a device', { path: `${top}sda`, type: '3' }, 'neither a file'],
    ['a hard link', { path: `${top}shadow`, type: '1', link: '/etc/shadow' }, 'neither a file'],
  ])('is refused whole for %s, before anything is written', async (_, entry, says) => {
    await expect(unpack(repositoryArchive({ 'a.txt': 'a' }, [entry]))).rejects.toThrow(says);
    expect(existsSync(inSource('a.txt'))).toBe(false);
  });

  it('keeps links inside, and leaves out, with a warning, links that leave', async () => {
    const links: ArchiveEntry[] = [
      { path: `${top}docs/inside`, type: '2', link: '../a.txt' },
      { path: `${top}docs/outside`, type: '2', link: '../../etc/passwd' },
      { path: `${top}absolute`, type: '2', link: '/etc/passwd' },
    ];
    await unpack(repositoryArchive({ 'a.txt': 'a' }, links));
    expect(readlinkSync(inSource('docs/inside'))).toBe('../a.txt');
    expect(existsSync(inSource('docs/outside'))).toBe(false);
    expect(existsSync(inSource('absolute'))).toBe(false);
    expect((await survey(repositoryArchive({}, links))).warnings).toHaveLength(2);
  });

  it('has names as long as a file system takes', async () => {
    const longest = 'x'.repeat(255);
    const archive = repositoryArchive({}, [
      { path: 'pax', type: 'x', body: paxRecord('path', top + longest) },
      { path: 'short', body: 'long name' },
    ]);
    await installCheckout(disk, await unpack(archive));
    expect(readFileSync(inApp(longest), 'utf8')).toBe('long name');
  });

  it('names files whose names are not UTF-8: two that differ in such a byte would become one', async () => {
    const archive = repositoryArchive({ 'a.txt': 'a' }, [
      { path: `${top}caf\u00e9.txt`, body: 'one', encoding: 'latin1' },
      { path: `${top}caf\u00e8.txt`, body: 'two', encoding: 'latin1' },
    ]);
    expect(Object.keys(await unpack(archive))).toEqual(['a.txt']);
    const { warnings } = await survey(archive);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('has a name that is not UTF-8 and was left out');
  });

  it('is never written through a link', async () => {
    mkdirSync(disk.source, { recursive: true });
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), inSource('a'));
    await unpack(repositoryArchive({ 'a/b.txt': 'b' }));
    expect(existsSync(join(root, 'elsewhere/b.txt'))).toBe(false);
    expect(lstatSync(inSource('a')).isDirectory()).toBe(true);
  });

  it('is refused when it is damaged or incomplete', async () => {
    const tar = makeTar([{ path: `${top}a`, body: 'x'.repeat(5000) }]);
    const damaged = Buffer.from(tar);
    damaged.write('b', 20);
    await expect(survey(gzipSync(damaged))).rejects.toThrow('damaged');
    await expect(survey(gzipSync(tar.subarray(0, 1500)))).rejects.toThrow('in the middle of a file');
    await expect(survey(Buffer.from('not gzip'))).rejects.toThrow();
  });

  it.each([
    ['.gitmodules', '[submodule "x"]\n', 'the repository has submodules'],
    ['.gitattributes', '*.psd filter=lfs diff=lfs\n', '.gitattributes uses Git LFS'],
    ['docs/.gitattributes', 'secret.md export-ignore\n', 'docs/.gitattributes uses `export-ignore`'],
    ['.gitattributes', 'VERSION export-subst\n', '.gitattributes uses `export-subst`'],
    ['.gitattributes', '# VERSION export-subst\n*.sh text eol=lf\n', undefined],
    ['.gitmodules', '', undefined],
  ])('needs git for %s: %s', async (path, text, reason) => {
    expect((await survey(repositoryArchive({ [path]: text, 'a.txt': 'a' }))).git).toBe(reason);
  });

  it('replaces files that changed and deletes those that are gone, never data', async () => {
    const one = await unpack(repositoryArchive({ 'app/a.txt': '1', 'app/old/b.txt': 'b', 'same.txt': 's' }));
    await installCheckout(disk, one);
    writeFileSync(inApp('app/data.db'), 'precious');
    mkdirSync(inApp('app/old/uploads'));
    writeFileSync(inApp('app/old/uploads/x'), 'precious');
    const inode = statSync(inApp('same.txt')).ino;

    const two = await unpack(repositoryArchive({ 'app/a.txt': '2', 'same.txt': 's', 'new.txt': 'n' }), one);
    expect(existsSync(inSource('app/old'))).toBe(false);
    await installCheckout(disk, two);
    expect(readFileSync(inApp('app/a.txt'), 'utf8')).toBe('2');
    expect(existsSync(inApp('app/old/b.txt'))).toBe(false);
    expect(readFileSync(inApp('app/data.db'), 'utf8')).toBe('precious');
    expect(readFileSync(inApp('app/old/uploads/x'), 'utf8')).toBe('precious');
    expect(statSync(inApp('same.txt')).ino).toBe(inode);
  });

  it('does not follow a link of a container when it deletes', async () => {
    const one = await unpack(repositoryArchive({ 'app/a.txt': '1', 'b.txt': 'b' }));
    await installCheckout(disk, one);
    mkdirSync(join(root, 'elsewhere'));
    writeFileSync(join(root, 'elsewhere/a.txt'), 'not ours');
    await rm(inApp('app'), { recursive: true });
    symlinkSync(join(root, 'elsewhere'), inApp('app'));
    await installCheckout(disk, await unpack(repositoryArchive({ 'b.txt': 'b' }), one));
    expect(readFileSync(join(root, 'elsewhere/a.txt'), 'utf8')).toBe('not ours');
  });

  it('keeps track of everything that an interrupted run had written', async () => {
    const one = await unpack(repositoryArchive({ 'a.txt': '1' }));
    await installCheckout(disk, one);
    const two = await unpack(repositoryArchive({ 'a.txt': '2', 'b.txt': 'b' }), one);
    mkdirSync(inApp('b.txt'));
    writeFileSync(inApp('b.txt/data'), 'in the way');
    await expect(installCheckout(disk, two)).rejects.toThrow(
      '`b.txt` is a file of the repository now, but a folder with data',
    );
    await rm(inApp('b.txt'), { recursive: true });
    writeFileSync(inApp('b.txt'), 'half written');
    await installCheckout(disk, two);
    expect(readFileSync(inApp('b.txt'), 'utf8')).toBe('b');
    expect(readFileSync(inApp('a.txt'), 'utf8')).toBe('2');
  });
});
