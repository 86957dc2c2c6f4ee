import type { parameterNames } from '../../infra/settings.ts';
import type { ParameterStore } from '../deploy/parameter-store.ts';
import { missingPins, pinAll, readPins, writePins } from './pins.ts';

interface Kept {
  parameters: ParameterStore;
  names: ReturnType<typeof parameterNames>;
}

/**
 * What a checkout without pins goes by: those that this deployment's hosts were made with last. Otherwise every clean
 * checkout would look up the newest and bake anew. Undefined: the checkout has its own, or nobody has pinned yet.
 */
export async function pinsOf({ parameters, names }: Kept): Promise<string | undefined> {
  return (await missingPins()).length === 0 ? undefined : parameters.read(names.imagePins);
}

/** Before something is made by them: in the checkout, and kept for the next one. */
export async function settlePins(kept: Kept, progress: (detail: string) => void): Promise<void> {
  const before = await pinsOf(kept);
  if (before) await writePins(before);
  if ((await missingPins()).length > 0) for (const sentence of await pinAll()) progress(sentence);
  const { parameters, names } = kept;
  const pins = await readPins();
  if ((await parameters.read(names.imagePins)) !== pins) await parameters.write(names.imagePins, pins);
}
