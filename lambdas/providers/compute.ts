import type { Problem } from '#core/parse-preview-config';
import type { PreviewConfig } from '#core/preview-config';
import type { Progress, Result } from '#core/report';
import type { CommitSource } from './forge.ts';
import type { Handle, Kept, Moved } from './handle.ts';
import type { Attachment } from './ingress.ts';

export interface MoveOptions {
  /** Number of the attempt, from 1, to make a unit of this environment; for a unit that does not exist yet. */
  attempt: number;
  /** How many times in a row the vendor had no room for it. */
  refusals: number;
  /** What the repository asks for; undefined before its settings are read. */
  config: PreviewConfig | undefined;
}

/**
 * What a host is to deploy. It carries secrets, so it is never saved. `MailboxSpec` is its form in a host's mailbox.
 */
export interface DeploySpec {
  environment: string;
  generation: number;
  /** Counts what is sent of one generation: a new source is not a new deployment. */
  revision: number;
  /** The host's log contains it, for `make trace`. */
  delivery: string;
  repository: { owner: string; name: string };
  /** Undefined for an environment that is not of a pull request. */
  number?: number;
  branch: string;
  source: CommitSource;
  config: PreviewConfig;
  hostname: string;
  urlTemplate: string;
  attachment: Attachment;
  secrets: Record<string, string>;
  /** The code is not from a fork. */
  trusted: boolean;
}

/** What to observe; each part costs a call. */
export interface ObserveQuery {
  power: boolean;
  reports: readonly ('progress' | 'result')[];
}

export interface Observed {
  /** Undefined: not observed. `unknown`: the vendor does not know the unit, yet or any more. */
  power?: 'on' | 'off' | 'gone' | 'unknown';
  /** Why it is gone, in the vendor's words. */
  reason?: string | undefined;
  /** What the host reports about its work, cut to what a row has room for; it is a hint and never a command. */
  progress?: Progress | undefined;
  result?: Result | undefined;
}

/** What a vendor's message reports about one environment. */
export type Sighting =
  | { kind: 'report'; environment: string; report: 'progress' | 'result'; delivery: string }
  /** Too many reports came lately: one later reconcile takes all. `sent` is called when its message was sent. */
  | { kind: 'reports-held'; environment: string; delivery: string; sent(until: number): Promise<void> }
  | { kind: 'power'; environment: string; unit: string; power: 'off' | 'gone'; delivery: string };

/** Where environments run. One implementation: `ec2/`. */
export interface Compute extends Kept {
  /** What it cannot do of these settings; people get a report of that before anything is paid for. Pure. */
  validate(config: PreviewConfig): Problem[];
  /**
   * `running`: a unit of this environment is on; a new one is made if there is none. `stopped`: it is off and its disk
   * is kept. `none`: nothing is left of it. At most one effect per call. The intent is saved before a unit is made,
   * even where the unit could be found by its name: taking down reads only the row. If the vendor has no room, this
   * throws an error of the kind `capacity`, and nothing was made.
   */
  move(
    environment: string,
    handle: Handle | undefined,
    to: 'running' | 'stopped' | 'none',
    options: MoveOptions,
  ): Promise<Moved>;
  /**
   * Sends the host its spec, and returns the handle to be remembered. A booting host finds the spec by itself; a
   * running one must be notified. A spec of an earlier call that has not arrived yet must never replace this one.
   */
  deploy(handle: Handle, spec: DeploySpec): Promise<Handle>;
  /** Notifies a running host to read its mailbox. False: not possible yet, and the host reads by itself in time. */
  notify(handle: Handle, generation: number): Promise<boolean>;
  observe(handle: Handle, query: ObserveQuery): Promise<Observed>;
  /** Undefined: no message of this vendor. Orphaned machines, and what needs no reconcile, are in no sighting. */
  receive(message: unknown): Promise<Sighting[] | undefined>;
}
