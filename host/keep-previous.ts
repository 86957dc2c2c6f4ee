import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { shortHash } from '#core/names';
import type { AgentDisk, AgentState, Previous } from './agent-disk.ts';
import type { Manifest } from './checkout.ts';
import { type Compose, keptRepository } from './compose.ts';
import { proxyService } from './plan-services.ts';

/**
 * What a version needs to be started again once `up` has replaced it: its images, under a tag each, and the files
 * of its checkout, which containers mount.
 *
 * Gotchas
 * - A generation that was never seen up is not kept as the previous one: while there is a `previous`, it stays.
 * - The files are copied from the checkout that no container mounts, and after the result is reported, so that nobody
 *   waits for the copy. The manifest is written last, so that an interrupted copy has none and does not count.
 */
export async function keepPrevious(
  state: AgentState,
  compose: Pick<Compose, 'containers' | 'tag'>,
): Promise<Previous | undefined> {
  const { previous, installed, serving } = state;
  if (previous) return previous;
  if (!installed || serving?.generation !== installed.generation) return undefined;
  const images: Previous['images'] = [];
  for (const { service, image, imageId } of await compose.containers()) {
    const kept = `${keptRepository}:${serving.generation}-${shortHash(service)}`;
    if (service === proxyService || images.some((known) => known.kept === kept)) continue;
    if (await compose.tag(imageId, kept)) images.push({ image, kept });
  }
  return { installed, serving, images };
}

const filesOf = (disk: AgentDisk, generation: number) => join(disk.generationFolder(generation), 'files');
const manifestOf = (disk: AgentDisk, generation: number) =>
  join(disk.generationFolder(generation), 'manifest.json');

export async function keepFiles(disk: AgentDisk, generation: number): Promise<void> {
  const manifest = await disk.loadManifest('source');
  const folder = filesOf(disk, generation);
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  for (const path of Object.keys(manifest)) {
    const from = join(disk.source, path);
    const found = await lstat(from).catch(() => undefined);
    if (!found) continue;
    const to = join(unfinished, path);
    await mkdir(dirname(to), { recursive: true });
    // A file system that supports it (XFS, as on the image) shares the blocks.
    if (found.isSymbolicLink()) await symlink(await readlink(from), to);
    else if (found.isFile()) await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
  await disk.write(manifestOf(disk, generation), JSON.stringify(manifest));
}

export async function keptFiles(
  disk: AgentDisk,
  generation: number,
): Promise<{ folder: string; manifest: Manifest } | undefined> {
  const text = await readFile(manifestOf(disk, generation), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const manifest = v.parse(v.record(v.string(), v.string()), JSON.parse(text));
  return { folder: filesOf(disk, generation), manifest };
}
