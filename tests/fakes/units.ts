import type { Handle } from '#core/handle';

/** What a cloud has of environments. EC2 has all three; where there are no machines, an instance is whatever there is. */
export interface UnitsThatExist {
  instances: string[];
  mailboxes: string[];
  hostRows: string[];
}

/** What stories expect of the cloud in which environments run, whichever it is. */
export interface Units {
  /** All that exists. */
  exist(): Promise<UnitsThatExist>;
  /** What should exist for one environment. */
  expectedOf(handle: Handle | undefined): UnitsThatExist;
  /** The commit that visitors of an environment see. */
  served(handle: Handle | undefined): string | undefined;
}
