import type { Arch } from '#core/preview-config';
import type { LogLine } from '../../ports.ts';
import type { LaunchIntent } from './host-handle.ts';
import type { MailboxSpec, Progress, Result } from './mailbox.ts';

/** What is called on AWS for hosts; each has an adapter beside this file and a fake that keeps state. */
export interface Ec2Ports {
  machines: Machines;
  notifier: Notifier;
  mailbox: Mailbox;
  hosts: Hosts;
  log(line: LogLine): void;
}

/** The table that leads from a machine to its environment: a report is believed for this one only. */
export interface Hosts {
  putHost(instanceId: string, environment: string, now: number): Promise<void>;
  environmentOfHost(instanceId: string): Promise<string | undefined>;
  /** A host wrote a report: whose it is, and whether it is looked at now. Two calls at the most, often none. */
  admitReport(instanceId: string, now: number): Promise<ReportAdmission>;
  /** The look that `postponed` asked for is on its way: what comes until then is dropped. */
  holdReports(instanceId: string, until: number): Promise<void>;
  forgetHost(instanceId: string): Promise<void>;
  hosts(): Promise<{ instanceId: string; environment: string; since: number }[]>;
}

export type ReportAdmission =
  | { kind: 'admitted'; environment: string }
  /** Too many of late: one look later is for all of them. */
  | { kind: 'postponed'; environment: string }
  /** That look is on its way. */
  | { kind: 'dropped' }
  /** A machine of no environment. */
  | { kind: 'stranger' };

/** What a new host should be. */
export interface HostRequirements {
  arch: Arch;
  /** The first is asked for in each subnet before the next one is. */
  instanceTypes: readonly string[];
  /** How often EC2 has said no in a row. */
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
  /** By the intent's token: for a launch whose answer was lost. */
  findByToken(clientToken: string): Promise<{ instanceId: string; power: Power } | undefined>;
  /** Undefined: EC2 does not know it (yet, or any more). */
  describe(instanceId: string): Promise<Described | undefined>;
  start(instanceId: string): Promise<void>;
  stop(instanceId: string): Promise<void>;
  /** Succeeds when it is gone already. */
  terminate(instanceId: string): Promise<void>;
  /** Where and from what the next host would be launched: image and template version as of now. */
  launchParameters(attempt: number, requirements: HostRequirements): Promise<LaunchParameters>;
  /** All instances with this deployment's mark that are not terminated; throws rather than return a partial list. */
  list(): Promise<{ instanceId: string; environment: string; launchedAt: number; power: Power }[]>;
}

export type Power = 'on' | 'off' | 'gone';

export type LaunchParameters = Omit<LaunchIntent, 'clientToken' | 'userData'>;

export interface Notifier {
  /** Notifies a running host that its mailbox has changed. False: its SSM agent is not there yet; it reads by itself. */
  notify(instanceId: string, generation: number): Promise<boolean>;
}

export interface Mailbox {
  /**
   * Puts the spec in the place of the one with this tag, and returns its own; undefined: no deployment spec is known to be there.
   * Where another one is found it takes the place of that, so whatever was sent before and has not arrived never will.
   */
  writeSpec(instanceId: string, spec: MailboxSpec, before: string | undefined): Promise<string>;
  progress(instanceId: string): Promise<Progress | undefined>;
  result(instanceId: string): Promise<Result | undefined>;
  /** Everything under the host's prefix; a host may write so much that it takes several tries (transient). */
  clear(instanceId: string): Promise<void>;
  /** Instance ids that have a mailbox, whatever is in it; throws rather than return a partial list. */
  list(): Promise<string[]>;
}
