import type { Arch } from '#core/preview-config';
import type { LogLine } from '../../ports.ts';
import type { LaunchIntent } from './host-handle.ts';
import type { MailboxSpec, Progress, Result } from './mailbox.ts';

/** What Eph calls on AWS for hosts; each port has an adapter in this folder and a fake that keeps state. */
export interface Ec2Ports {
  machines: Machines;
  notifier: Notifier;
  mailbox: Mailbox;
  hosts: Hosts;
  log(line: LogLine): void;
}

/** The table that leads from a machine to its environment: a report counts only for that one. */
export interface Hosts {
  putHost(instanceId: string, environment: string, now: number): Promise<void>;
  environmentOfHost(instanceId: string): Promise<string | undefined>;
  /** Whether a host's report is reconciled now, and for which environment. At most two calls, often none. */
  admitReport(instanceId: string, now: number): Promise<ReportAdmission>;
  /** The message for a `postponed` report was sent: reports until then are dropped. */
  holdReports(instanceId: string, until: number): Promise<void>;
  forgetHost(instanceId: string): Promise<void>;
  hosts(): Promise<{ instanceId: string; environment: string; since: number }[]>;
}

export type ReportAdmission =
  | { kind: 'admitted'; environment: string }
  /** Too many reports came lately: one later reconcile takes all of them. */
  | { kind: 'postponed'; environment: string }
  /** That reconcile's message was sent already. */
  | { kind: 'dropped' }
  /** A machine that belongs to no environment. */
  | { kind: 'stranger' };

/** What a new host should be. */
export interface HostRequirements {
  arch: Arch;
  /** The first type is tried in each subnet before the next one. */
  instanceTypes: readonly string[];
  /** How many times in a row EC2 has refused. */
  refusals: number;
}

export interface Described {
  power: Power;
  /** Why EC2 ended it, in EC2's words. */
  reason?: string;
}

export interface Machines {
  /** RunInstances with the frozen intent; the same intent again finds the same instance. */
  launch(intent: LaunchIntent, environment: string, attempt: number): Promise<{ instanceId: string }>;
  /** Finds a machine by the intent's token: for a launch whose answer was lost. */
  findByToken(clientToken: string): Promise<{ instanceId: string; power: Power } | undefined>;
  /** Undefined: EC2 does not know it (yet, or any more). */
  describe(instanceId: string): Promise<Described | undefined>;
  start(instanceId: string): Promise<void>;
  stop(instanceId: string): Promise<void>;
  /** Succeeds if it is gone already. */
  terminate(instanceId: string): Promise<void>;
  /** Where and from what the next host would be launched, with the current image and template version. */
  launchParameters(attempt: number, requirements: HostRequirements): Promise<LaunchParameters>;
  /** All instances with this deployment's mark that are not terminated; throws rather than return a partial list. */
  list(): Promise<{ instanceId: string; environment: string; launchedAt: number; power: Power }[]>;
}

export type Power = 'on' | 'off' | 'gone';

export type LaunchParameters = Omit<LaunchIntent, 'clientToken' | 'userData'>;

export interface Notifier {
  /** Notifies a running host that its mailbox has changed. False: its SSM agent is not ready; it reads by itself. */
  notify(instanceId: string, generation: number): Promise<boolean>;
}

export interface Mailbox {
  /**
   * Replaces the spec that has this tag, and returns the new tag; undefined: no deployment spec is known to be there.
   * If another one is found, that one is replaced; then a spec that was sent earlier can no longer arrive.
   */
  writeSpec(instanceId: string, spec: MailboxSpec, before: string | undefined): Promise<string>;
  progress(instanceId: string): Promise<Progress | undefined>;
  result(instanceId: string): Promise<Result | undefined>;
  /** Deletes everything under the host's prefix; a host may write so much that it takes several tries (transient). */
  clear(instanceId: string): Promise<void>;
  /** Instance ids that have a mailbox, whatever is in it; throws rather than return a partial list. */
  list(): Promise<string[]>;
}
