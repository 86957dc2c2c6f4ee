import type { LogLine, Ports, Records } from '../../ports.ts';

/** What is called on AWS for hosts; each has an adapter beside this file and a fake that keeps state. */
export interface Ec2Ports extends Pick<Ports, 'machines' | 'bell' | 'mailbox'> {
  /** The table that leads from a machine to its environment. */
  hosts: Pick<
    Records,
    'putHost' | 'environmentOfHost' | 'admitReport' | 'holdReports' | 'forgetHost' | 'hosts'
  >;
  log(line: LogLine): void;
}
