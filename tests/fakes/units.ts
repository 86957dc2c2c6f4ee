import type { Handle } from '#core/handle';

/** The units of environments in a cloud. EC2 has all three; without machines, an instance is any unit that there is. */
export interface UnitsThatExist {
  instances: string[];
  mailboxes: string[];
  hostRows: string[];
}

/** What stories expect of the cloud in which environments run, whatever cloud that is. */
export interface Units {
  /** All units that exist. */
  exist(): Promise<UnitsThatExist>;
  /** The units that should exist for one environment. */
  expectedOf(handle: Handle | undefined): UnitsThatExist;
  /** The commit that visitors of an environment see. */
  served(handle: Handle | undefined): string | undefined;
}
