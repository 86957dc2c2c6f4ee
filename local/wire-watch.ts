import type { WireEntry } from './wire-log.ts';

/**
 * Waits for things in the wire log. Entries from before the wait count too, but each wait begins at the watch's last
 * mark: the second `synchronize` must not be mistaken for the first.
 */
export interface WireWatch {
  record(entry: WireEntry): void;
  mark(): void;
  /** @throws Error after `seconds` */
  seen(what: string, seconds: number, fits: (entry: WireEntry) => boolean): Promise<WireEntry>;
}

export function createWireWatch(): WireWatch {
  const entries: WireEntry[] = [];
  const waiting = new Set<(entry: WireEntry) => void>();
  let from = 0;
  return {
    record(entry) {
      entries.push(entry);
      for (const look of waiting) look(entry);
    },
    mark() {
      from = entries.length;
    },
    seen(what, seconds, fits) {
      const found = entries.slice(from).find(fits);
      if (found) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const look = (entry: WireEntry) => {
          if (!fits(entry)) return;
          end();
          resolve(entry);
        };
        const late = setTimeout(() => {
          end();
          reject(new Error(`${what}: not seen within ${seconds} s`));
        }, seconds * 1_000);
        const end = () => {
          clearTimeout(late);
          waiting.delete(look);
        };
        waiting.add(look);
      });
    },
  };
}
