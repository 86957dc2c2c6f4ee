import { PAUSE_MAX_AGE } from '#core/limits';
import { parsePause } from '#core/pause';
import type { Arch } from '#core/preview-config';
import type { Operator } from './ports.ts';

export interface OperatorNames {
  paused: string;
  image: Record<Arch, string>;
}

/** The operator's pause, and the images of new hosts: an image may be as old as the pause of the same launch. */
export interface OperatorParameters extends Operator {
  /** Undefined: there is no image for this architecture. */
  image(arch: Arch): Promise<string | undefined>;
}

/** Caches what was read last, wherever it is stored. */
export function operatorFrom(
  read: () => Promise<ReadonlyMap<string, string>>,
  names: OperatorNames,
  now: () => number,
): OperatorParameters {
  let last: { at: number; values: ReadonlyMap<string, string> } | undefined;
  const values = async (maxAge: number) => {
    const at = now();
    if (last && maxAge > 0 && at - last.at <= maxAge) return last.values;
    last = { at, values: await read() };
    return last.values;
  };
  return {
    pause: async (maxAge) => parsePause((await values(maxAge)).get(names.paused)),
    image: async (arch) => (await values(PAUSE_MAX_AGE)).get(names.image[arch]) || undefined,
  };
}
