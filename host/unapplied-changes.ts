import * as v from 'valibot';
import { shortHash } from '#core/names';
import type { Compose } from './compose.ts';

/**
 * The changes of a push that `up` does not apply: a volume stays as it was made (compose asks a person first, since
 * its data would be lost), older versions of compose do the same with networks, and an image is pulled once per name.
 */
export type Definitions = Record<string, { actual: string; hash: string }>;

const definition = v.nullish(
  v.looseObject({ name: v.nullish(v.string()), external: v.nullish(v.boolean()) }),
);
const described = v.object({
  volumes: v.nullish(v.record(v.string(), definition)),
  networks: v.nullish(v.record(v.string(), definition)),
});

/** The definitions by `volume name` or `network name`, from the output of `docker compose config --format json`. */
export function definitionsOf(config: unknown): Definitions {
  const { volumes, networks } = v.parse(described, config);
  const found: Definitions = {};
  for (const [kind, entries] of Object.entries({ volume: volumes, network: networks })) {
    for (const [name, made] of Object.entries(entries ?? {})) {
      if (made?.external) continue;
      found[`${kind} \`${name}\``] = {
        actual: made?.name ?? name,
        hash: shortHash(JSON.stringify(made ?? {})),
      };
    }
  }
  return found;
}

export interface Unapplied {
  warnings: string[];
  /** The definitions with which things exist on this machine: for a change that was not applied, the one before. */
  made: Definitions;
}

/** `sameNetworks` are those that `up` has left as they were. */
export function unappliedChanges(
  before: Definitions,
  after: Definitions,
  sameNetworks: readonly string[],
): Unapplied {
  // A definition that the file no longer names still exists, and comes back with its name.
  const made: Definitions = { ...before, ...after };
  const left = Object.entries(after).filter(([name, { actual, hash }]) => {
    const known = before[name];
    if (!known || known.hash === hash || known.actual !== actual) return false;
    if (name.startsWith('network') && !sameNetworks.includes(actual)) return false;
    made[name] = known;
    return true;
  });
  const warnings = left.map(
    ([name]) =>
      `The settings of the ${name} were changed, but this preview goes on with the one it has${name.startsWith('volume') ? ', and its data' : ''}. Give it another name to have the new settings.`,
  );
  return { warnings, made };
}

const MAX_IMAGES = 20;

/** Images whose name now means another image at the registry. A registry that cannot be asked adds nothing. */
export async function repushedImages(
  images: Readonly<Record<string, string>>,
  compose: Pick<Compose, 'digests' | 'registryDigest'>,
): Promise<string[]> {
  const byName = new Map(Object.entries(images).map(([service, image]) => [image, service]));
  const asked = [...byName].filter(([image]) => !image.includes('@')).slice(0, MAX_IMAGES);
  const found = await Promise.all(
    asked.map(async ([image, service]) => {
      const own = await compose.digests(image);
      const current = own.length > 0 ? await compose.registryDigest(image) : undefined;
      if (!current || own.includes(current)) return [];
      return [
        `The image \`${image}\` of \`${service}\` was pushed anew; this preview goes on with the one it has. With \`pull_policy: always\` in the compose file each push takes the newest.`,
      ];
    }),
  );
  return found.flat();
}
