import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { BuiltImage } from './build-image.ts';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/**
 * Pushes an image under its tags by the distribution API, as `docker push` would. Repositories are named as
 * Docker Hub's (`library/node`), because that is what an engine asks its registry mirror for.
 */
export async function pushImage(
  registry: string,
  image: BuiltImage,
  tags: readonly string[],
  stamp: string,
): Promise<void> {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: { ...image.config, Labels: { [STAMP_LABEL]: stamp } },
      rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.digest) },
      history: image.layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
    }),
  );
  const configDigest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      size: config.length,
      digest: configDigest,
    },
    layers: image.layers.map(({ size, digest }) => ({
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar',
      size,
      digest,
    })),
  });
  for (const [repository, versions] of byRepository(tags)) {
    const base = `${registry}/v2/library/${repository}`;
    for (const layer of image.layers) {
      await pushBlob(base, layer.digest, layer.size, () => createReadStream(layer.file));
    }
    await pushBlob(base, configDigest, config.length, () => config);
    for (const version of versions) {
      await request('PUT', `${base}/manifests/${version}`, {
        body: manifest,
        headers: { 'content-type': MANIFEST },
      });
    }
  }
}

/** The label with the recipe from which an image was made; `stampOf` reads it back. */
const STAMP_LABEL = 'eph.recipe';

/** The stamp of an image in the registry; undefined if it does not exist or is not ours. */
export async function stampOf(registry: string, tag: string): Promise<string | undefined> {
  const [[repository, [version]] = ['', ['']]] = [...byRepository([tag])];
  const base = `${registry}/v2/library/${repository}`;
  const manifest = await fetch(`${base}/manifests/${version}`, { headers: { accept: MANIFEST } });
  if (!manifest.ok) return undefined;
  const { config, layers } = (await manifest.json()) as { config: Descriptor; layers: Descriptor[] };
  // A killed run, or a person who deleted files, may have left a manifest whose layers are gone.
  for (const layer of layers) {
    if (!(await fetch(`${base}/blobs/${layer.digest}`, { method: 'HEAD' })).ok) return undefined;
  }
  const blob = await fetch(`${base}/blobs/${config.digest}`);
  if (!blob.ok) return undefined;
  const parsed = (await blob.json()) as { config?: { Labels?: Record<string, string> } };
  return parsed.config?.Labels?.[STAMP_LABEL];
}

type Body = NonNullable<RequestInit['body']>;

interface Descriptor {
  digest: string;
}

function byRepository(tags: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const tag of tags) {
    const [repository = '', version = 'latest'] = tag.split(':');
    found.set(repository, [...(found.get(repository) ?? []), version]);
  }
  return found;
}

async function pushBlob(base: string, digest: string, size: number, open: () => Body): Promise<void> {
  const there = await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' });
  if (there.ok) return;
  const started = await request('POST', `${base}/blobs/uploads/`, {});
  const location = new URL(started.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
  await request('PUT', location.href, { body: open(), headers, duplex: 'half' });
}

async function request(
  method: string,
  url: string,
  init: RequestInit & { duplex?: 'half' },
): Promise<Response> {
  const response = await fetch(url, { ...init, method });
  if (response.ok) return response;
  throw new Error(
    `The local registry answered ${response.status} to ${method} ${url}: ${await response.text()}`,
  );
}
