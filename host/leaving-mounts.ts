import { readlinkSync } from 'node:fs';
import { relative } from 'node:path';
import { linkLeaves } from './archive-rules.ts';
import { isInside, listOf, valuesOf } from './machine-reach.ts';

/**
 * Mounts of a project (what `up` runs) whose source is in the checkout by its name, but elsewhere when links are
 * followed: a container that has a folder mounted may have put a link there, and the engine would follow it.
 */
export function leavingMounts(project: unknown, root: string): string[] {
  const { services, secrets, configs, volumes } = valuesOf(project);
  const mounts = Object.values(valuesOf(services)).flatMap((service) => listOf(valuesOf(service)['volumes']));
  const files = [...Object.values(valuesOf(secrets)), ...Object.values(valuesOf(configs))];
  const sources = [
    ...mounts.map((mount) => valuesOf(mount)['source']),
    ...files.map((file) => valuesOf(file)['file']),
    ...Object.values(valuesOf(volumes)).map((volume) => valuesOf(valuesOf(volume)['driver_opts'])['device']),
  ];
  const links = { get: (path: string) => linkAt(`${root}/${path}`) };
  return sources
    .filter((source) => typeof source === 'string')
    .filter((source) => isInside(source, root))
    .map((source) => relative(root, source))
    .filter((path) => linkLeaves(path, links));
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
