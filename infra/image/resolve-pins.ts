import { parseEnv } from 'node:util';
import type { ParameterStore } from '../deploy/parameter-store.ts';
import type { parameterNames } from '../settings/settings.ts';
import { type Fetch, missingPins, newestPins, readPins } from './pins.ts';

interface Kept {
  parameters: ParameterStore;
  names: ReturnType<typeof parameterNames>;
}

/**
 * The pins that hosts are made by: those of the repository, if it has any; else those that this deployment's hosts
 * were made with last. Otherwise every clean checkout would look up the newest versions and bake again.
 *
 * @returns undefined if nobody has pinned yet what this checkout wants
 */
export async function pinsOf({ parameters, names }: Kept): Promise<string | undefined> {
  const own = await readPins();
  if (missingPins(own).length === 0) return own;
  const kept = await parameters.read(names.imagePins);
  return kept !== undefined && hasVersionsOf(own, kept) ? kept : undefined;
}

/**
 * Whether the kept pins have the repository's versions: these change when another release of Eph was tested with
 * others.
 */
function hasVersionsOf(own: string, kept: string): boolean {
  const known = parseEnv(kept);
  return Object.entries(parseEnv(own)).every(
    ([key, value]) => !key.endsWith('_VERSION') || known[key] === value,
  );
}

/**
 * Gives the same before something is made by them: the newest pins where there were none, kept for every other
 * checkout.
 */
export async function resolvePins(
  kept: Kept,
  progress: (detail: string) => void,
  fetchText?: Fetch,
): Promise<string> {
  const before = await pinsOf(kept);
  const pins =
    before && missingPins(before).length === 0 ? before : await lookUp(before, progress, fetchText);
  const { parameters, names } = kept;
  if ((await parameters.read(names.imagePins)) !== pins) await parameters.write(names.imagePins, pins);
  return pins;
}

async function lookUp(
  before: string | undefined,
  progress: (detail: string) => void,
  fetchText?: Fetch,
): Promise<string> {
  const { pins, sentences } = await newestPins(before ?? (await readPins()), fetchText);
  for (const sentence of sentences) progress(sentence);
  return pins;
}
