/**
 * What a provider remembers of its part of one environment. It is saved in the row, and only that provider reads it. It
 * has at most 8 KB as JSON and never holds a secret: rows are listed, logged and restored from backups.
 */
export interface Handle {
  /** The provider that reads it. */
  kind: string;
  /** Version of `data`'s form. If it is newer than the provider knows, the handle and what it owns are left alone. */
  v: number;
  data: unknown;
}
