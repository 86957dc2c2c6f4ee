import type { Problem } from '#core/parse-preview-config';
import type { PreviewConfig } from '#core/preview-config';
import type { Progress, Result } from '#core/report';
import type { CommitSource } from './forge.ts';
import type { Handle, Kept, Moved } from './handle.ts';
import type { Attachment } from './ingress.ts';

export interface MoveOptions {
  /** Of a unit that does not exist yet: the how-manieth of this environment it is, from 1. */
  attempt: number;
  /** How often in a row there was no room for it. */
  refusals: number;
  /** What the repository asks for; undefined before its settings are read. */
  config: PreviewConfig | undefined;
}

/** What a host is to deploy. It carries secrets, so it is handed over and never saved. `MailboxSpec` is its form in a host's mailbox. */
export interface DeploySpec {
  environment: string;
  generation: number;
  /** Counts what is sent of one generation: a fresh source is no new deployment. */
  revision: number;
  /** Runs through the host's log. */
  delivery: string;
  repository: { owner: string; name: string };
  /** Undefined for what is no pull request. */
  number?: number;
  branch: string;
  source: CommitSource;
  config: PreviewConfig;
  hostname: string;
  urlTemplate: string;
  attachment: Attachment;
  secrets: Record<string, string>;
  /** Not somebody else's code. */
  trusted: boolean;
}

/** What is looked at; each costs a call. */
export interface ObserveQuery {
  power: boolean;
  reports: readonly ('progress' | 'result')[];
}

export interface Observed {
  /** Undefined: not looked at. `unknown`: the cloud does not know the unit, yet or any more. */
  power?: 'on' | 'off' | 'gone' | 'unknown';
  /** Why it is gone, in the cloud's words. */
  reason?: string | undefined;
  /** What the host says of its work, cut to what a row has room for; a hint, never an order. */
  progress?: Progress | undefined;
  result?: Result | undefined;
}

/** What a message from the cloud says about one environment. */
export type Sighting =
  | { kind: 'report'; environment: string; report: 'progress' | 'result'; delivery: string }
  /** There were too many of late: one look later is for all of them. `sent` is called when it is on its way. */
  | { kind: 'reports-held'; environment: string; delivery: string; sent(until: number): Promise<void> }
  | { kind: 'power'; environment: string; unit: string; power: 'off' | 'gone'; delivery: string };

/** Where environments run. One implementation: `ec2/`. */
export interface Compute extends Kept {
  /** What of these settings it cannot do, told to people before anything is paid for. Pure. */
  validate(config: PreviewConfig): Problem[];
  /**
   * `running`: a unit of this environment is on, a new one if there is none. `stopped`: it is off and its disk is
   * kept. `none`: nothing is left of it. At most one effect a call. The intent is saved before a unit is made, also
   * where it could be found by its name: whoever takes down looks into the row alone. No room is an error of the kind
   * `capacity`, and then nothing was made.
   */
  move(
    environment: string,
    handle: Handle | undefined,
    to: 'running' | 'stopped' | 'none',
    options: MoveOptions,
  ): Promise<Moved>;
  /**
   * Hands the host its work, and returns what is to be remembered of it. One that boots finds it by itself; one that
   * runs is to be notified. What an earlier call has sent and has not arrived yet must never take the place of this.
   */
  deploy(handle: Handle, spec: DeploySpec): Promise<Handle>;
  /** Tells a running host to look. False: it cannot be told yet, and looks by itself in time. */
  notify(handle: Handle, generation: number): Promise<boolean>;
  observe(handle: Handle, query: ObserveQuery): Promise<Observed>;
  /** Undefined: no message of this cloud. Machines of nobody, and what need not be looked at, are in no sighting. */
  receive(message: unknown): Promise<Sighting[] | undefined>;
}
