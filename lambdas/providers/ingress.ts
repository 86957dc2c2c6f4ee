import type { Handle, Kept, Moved } from './handle.ts';

/** Where an environment, or one of its services, is reached. */
export interface Address {
  hostname: string;
  url: string;
}

/** What a host needs to be reached at the addresses; the connector's token is a secret and is never saved. */
export type Attachment = { kind: 'connector'; token: string };

export interface Opening {
  /** How often the environment was opened before: what is still being taken away must not be found by its name. */
  count: number;
  /** The main one first. Others that were opened before go, at the latest when there are too many. */
  names: readonly Address[];
}

/** What a look at the cloud has left of a handle. */
export interface Checked {
  handle: Handle | undefined;
  /** What hosts were attached by is still there. Otherwise the next opening has another one, and they are told. */
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
  /** The handle without what somebody has deleted by hand. Asked only when a garbage collection missed something. */
  check(environment: string, handle: Handle): Promise<Checked>;
  attachment(handle: Handle): Promise<Attachment>;
  /** Is everything there that these addresses need? Pure. */
  isOpen(handle: Handle | undefined, names: readonly Address[]): boolean;
}
