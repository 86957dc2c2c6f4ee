import type { ParameterStore } from '../../infra/deploy/parameter-store.ts';

export interface MemoryParameters extends ParameterStore {
  /** Name -> value. */
  values: Map<string, string>;
  /** The names of the parameters that were written encrypted. */
  encrypted: Set<string>;
}

/** Parameter Store in memory. */
export function memoryParameters(): MemoryParameters {
  const values = new Map<string, string>();
  const encrypted = new Set<string>();
  return {
    values,
    encrypted,
    read: async (name) => values.get(name),
    async writeSecret(name, value) {
      values.set(name, value);
      encrypted.add(name);
    },
    async write(name, value) {
      values.set(name, value);
      encrypted.delete(name);
    },
    list: async (prefix) =>
      [...values.keys()].filter((name) => name.startsWith(prefix)).map((name) => ({ name, changedAt: 0 })),
    async remove(names) {
      for (const name of names) values.delete(name);
    },
  };
}
