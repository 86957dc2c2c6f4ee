import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { OperatorError } from '../terminal/operator-error.ts';

/**
 * The exact versions that the image installs, and the checksum that each vendor published, as `provision.sh` reads
 * them. Only `make pin` writes them to the repository: a deploy that changed the file would conflict with the next
 * `git pull`. No checksum is ever written except one that was just read.
 */
const pinsFile = join(import.meta.dirname, '../../packer/pins.env');

const machines = ['x86_64', 'aarch64'] as const;
type Machine = (typeof machines)[number];

interface Pinned {
  name: string;
  version: string;
  files: Record<Machine, { url: string; sha256: string }>;
}

export type Fetch = (url: string) => Promise<string>;

type Pin = (fetchText: Fetch, recorded: string | undefined) => Promise<Omit<Pinned, 'name'>>;

const programs: Record<string, Pin> = {
  node: pinNode,
  compose: (fetchText, recorded) =>
    pinRelease(fetchText, 'docker/compose', recorded, {
      x86_64: () => 'docker-compose-linux-x86_64',
      aarch64: () => 'docker-compose-linux-aarch64',
    }),
  buildx: (fetchText, recorded) =>
    pinRelease(fetchText, 'docker/buildx', recorded, {
      x86_64: (tag) => `buildx-${tag}.linux-amd64`,
      aarch64: (tag) => `buildx-${tag}.linux-arm64`,
    }),
};

export function readPins(file = pinsFile): Promise<string> {
  return readFile(file, 'utf8');
}

export interface NewestPins {
  /** The new text that replaces the pins, with its heading. */
  pins: string;
  /** What is pinned now, a sentence for each. */
  sentences: string[];
}

/** Looks up Node's newest version, and the checksums of all. */
export async function newestPins(before: string, fetchText: Fetch = download): Promise<NewestPins> {
  const old = parseEnv(before);
  const pinned: Pinned[] = [];
  for (const [name, pin] of Object.entries(programs)) {
    pinned.push({ name, ...(await pin(fetchText, old[`${name.toUpperCase()}_VERSION`])) });
  }
  const [heading = ''] = before.split(/^\w+=/m);
  const sentences = pinned.map(({ name, version }) => {
    const was = old[`${name.toUpperCase()}_VERSION`];
    return was === version ? `${name} stays at ${version}` : `${name} ${version}${was ? `, was ${was}` : ''}`;
  });
  return { pins: `${heading.trimEnd()}\n${pinned.flatMap(linesOf).join('\n')}\n`, sentences };
}

/** Records the newest versions in the repository. @returns a sentence for each */
export async function pinAll(fetchText: Fetch = download, file = pinsFile): Promise<string[]> {
  const { pins, sentences } = await newestPins(await readPins(file), fetchText);
  await writeFile(`${file}.new`, pins);
  await rename(`${file}.new`, file);
  return sentences;
}

/** Names of programs that have no pin in this text. */
export function missingPins(text: string): string[] {
  const pins = parseEnv(text);
  return Object.keys(programs).filter((name) =>
    machines.some((machine) => !pins[`${name}_${machine}_SHA256`.toUpperCase()]),
  );
}

function linesOf({ name, version, files }: Pinned): string[] {
  const key = name.toUpperCase();
  return [
    `${key}_VERSION=${version}`,
    ...machines.flatMap((machine) => {
      const { url, sha256 } = files[machine];
      const prefix = `${key}_${machine.toUpperCase()}`;
      return [`${prefix}_URL=${url}`, `${prefix}_SHA256=${sha256}`];
    }),
  ];
}

/** https://nodejs.org/dist/index.json is newest first; the even major that has a name is a long-term release. */
async function pinNode(fetchText: Fetch): Promise<Omit<Pinned, 'name'>> {
  const releases: { version: string; lts: string | false }[] = JSON.parse(
    await fetchText('https://nodejs.org/dist/index.json'),
  );
  const version = releases.find(({ lts }) => lts)?.version;
  if (!version) throw new OperatorError('nodejs.org lists no long-term release of Node.js.');
  const folder = `https://nodejs.org/dist/${version}`;
  const sums = await fetchText(`${folder}/SHASUMS256.txt`);
  const file = (name: string) => ({ url: `${folder}/${name}`, sha256: sumOf(sums, name, folder) });
  return {
    version,
    files: {
      x86_64: file(`node-${version}-linux-x64.tar.xz`),
      aarch64: file(`node-${version}-linux-arm64.tar.xz`),
    },
  };
}

/** Pins the recorded tag, which the tests run with; a file without a recorded tag is damaged. */
async function pinRelease(
  fetchText: Fetch,
  repository: string,
  tag: string | undefined,
  names: Record<Machine, (tag: string) => string>,
): Promise<Omit<Pinned, 'name'>> {
  if (!tag)
    throw new OperatorError(`packer/pins.env names no version of ${repository}.`, 'Take the file from git.');
  const folder = `https://github.com/${repository}/releases/download/${tag}`;
  const sums = await fetchText(`${folder}/checksums.txt`);
  const file = (name: string) => ({ url: `${folder}/${name}`, sha256: sumOf(sums, name, folder) });
  return { version: tag, files: { x86_64: file(names.x86_64(tag)), aarch64: file(names.aarch64(tag)) } };
}

/** The checksum from a list as sha256sum writes it: hash, a space or ` *`, name. */
function sumOf(sums: string, name: string, where: string): string {
  for (const line of sums.split('\n')) {
    const [, sha256, named] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line.trim()) ?? [];
    if (sha256 && named === name) return sha256;
  }
  throw new OperatorError(
    `The vendor's checksums in ${where} do not name ${name}.`,
    'The release may just be being published: run make pin again later.',
  );
}

async function download(url: string): Promise<string> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch((cause: unknown) => {
    throw new OperatorError(`${url} cannot be reached.`, 'make pin needs a way to the internet.', { cause });
  });
  if (!reply.ok) throw new OperatorError(`${url} answers ${reply.status}.`);
  return reply.text();
}
