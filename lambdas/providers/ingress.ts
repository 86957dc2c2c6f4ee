import type { Handle, Kept, Moved } from './handle.ts';

/** Where an environment, or one of its services, is reached. */
export interface Address {
  hostname: string;
  url: string;
}

/** What a host needs to be reached at the addresses; the connector's token is a secret and is never saved. */
export type Attachment = { kind: 'connector'; token: string };

export interface Opening {
  /** How often the environment was opened before: what is still being withdrawn must not be found by its name. */
  count: number;
  /** The main one comes first. Other names from before are removed, at the latest when there are too many. */
  names: readonly Address[];
}

/** What a check at the vendor has left of a handle. */
export interface Checked {
  handle: Handle | undefined;
  /** What hosts were attached by still exists. If not, the next opening has another one, and hosts get a new spec. */
  attached: boolean;
}

/** How people reach an environment. One implementation: `cloudflare/`. */
export interface Ingress extends Kept {
  /** Pure. `label` is one DNS label. */
  address(label: string, service?: string): Address;
  /** `open`: every address leads to the environment. `none`: nothing is left, also of what a dead run had begun. */
  move(
    environment: string,
    handle: Handle | undefined,
    to: 'open' | 'none',
    opening: Opening,
  ): Promise<Moved>;
  /** The handle without what somebody has deleted by hand. Called only when a garbage collection missed something. */
  check(environment: string, handle: Handle): Promise<Checked>;
  attachment(handle: Handle): Promise<Attachment>;
  /** Does everything exist that these addresses need? Pure. */
  isOpen(handle: Handle | undefined, names: readonly Address[]): boolean;
}
