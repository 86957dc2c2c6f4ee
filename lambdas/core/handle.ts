/**
 * What a provider remembers of its part of one environment: saved in the row, read by that provider alone. At most
 * 8 KB as JSON, and never a secret: rows are listed, logged and restored from backups.
 */
export interface Handle {
  /** Which provider reads it. */
  kind: string;
  /** Of `data`'s form. A newer one than the provider knows is left alone, and what it owns is kept. */
  v: number;
  data: unknown;
}
