import * as v from 'valibot';
import { assertNever } from '#core/lifecycle';
import type { Sighting } from '../compute.ts';
import type { Ec2Ports } from './ec2-ports.ts';
import { mailboxFiles, parseMailboxKey } from './mailbox.ts';

/** From S3: a host wrote a report. From EC2: a host is off. The table shows whose host it is, never the message. */
type Message =
  | { kind: 'report'; instanceId: string; report: 'progress' | 'result'; delivery: string }
  | { kind: 'power'; instanceId: string; power: 'off' | 'gone'; delivery: string };

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
const s3EventSchema = v.object({
  Records: v.array(
    v.object({
      eventSource: v.literal('aws:s3'),
      s3: v.object({ object: v.object({ key: v.string(), sequencer: v.optional(v.string()) }) }),
    }),
  ),
});

/** S3 sends one of these when the notification is set up; nothing needs to be done about it. */
const testEventSchema = v.object({ Event: v.literal('s3:TestEvent') });

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html */
const powerEventSchema = v.object({
  id: v.optional(v.string(), 'ec2'),
  'detail-type': v.literal('EC2 Instance State-change Notification'),
  detail: v.object({ 'instance-id': v.string(), state: v.string() }),
});
/** The states in between report nothing that the final one does not. */
const powerOf: Record<string, 'off' | 'gone'> = { stopped: 'off', terminated: 'gone' };

const reports: Record<string, 'progress' | 'result'> = {
  [mailboxFiles.progress]: 'progress',
  [mailboxFiles.result]: 'result',
};

export async function readMessage(
  message: unknown,
  ports: Pick<Ec2Ports, 'hosts' | 'log'>,
  now: () => number,
): Promise<Sighting[] | undefined> {
  const messages = decode(message, ports);
  if (!messages) return undefined;
  const sightings: Sighting[] = [];
  for (const one of messages) {
    const sighting = one.kind === 'report' ? await admit(one, ports, now) : await recognize(one, ports);
    if (sighting) sightings.push(sighting);
  }
  return sightings;
}

function decode(message: unknown, ports: Pick<Ec2Ports, 'log'>): Message[] | undefined {
  if (v.is(testEventSchema, message)) return [];
  const event = v.safeParse(s3EventSchema, message);
  if (event.success) return event.output.Records.flatMap((record) => toReport(record, ports));
  const power = v.safeParse(powerEventSchema, message);
  return power.success ? toPower(power.output) : undefined;
}

function toReport(
  { s3: { object } }: v.InferOutput<typeof s3EventSchema>['Records'][number],
  { log }: Pick<Ec2Ports, 'log'>,
): Message[] {
  const key = decodeKey(object.key);
  if (key === undefined) {
    log({ level: 'error', message: 'malformed message dropped: a key of S3 that cannot be decoded' });
    return [];
  }
  const from = parseMailboxKey(key);
  const report = from && reports[from.file];
  if (!from || !report) return [];
  return [{ kind: 'report', instanceId: from.instanceId, report, delivery: object.sequencer ?? 's3' }];
}

/** S3 encodes keys in events as a form does: `+` is a space. */
function decodeKey(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replace(/\+/g, ' '));
  } catch {
    return undefined;
  }
}

function toPower({ id, detail }: v.InferOutput<typeof powerEventSchema>): Message[] {
  const power = powerOf[detail.state];
  return power ? [{ kind: 'power', instanceId: detail['instance-id'], power, delivery: id }] : [];
}

/**
 * A host runs somebody's code and may write a report a thousand times a minute. Beyond what a deployment needs,
 * one message is sent for all of them, and the rest are dropped before any vendor is asked.
 */
async function admit(
  { instanceId, report, delivery }: Extract<Message, { kind: 'report' }>,
  { hosts, log }: Pick<Ec2Ports, 'hosts' | 'log'>,
  now: () => number,
): Promise<Sighting | undefined> {
  const admission = await hosts.admitReport(instanceId, now());
  switch (admission.kind) {
    case 'admitted':
      return { kind: 'report', environment: admission.environment, report, delivery };
    case 'postponed': {
      const { environment } = admission;
      const sent = (until: number) => hosts.holdReports(instanceId, until);
      return { kind: 'reports-held', environment, delivery, sent };
    }
    case 'dropped':
      return undefined;
    case 'stranger':
      log({ level: 'warn', message: 'a report from a machine of no environment', instanceId });
      return undefined;
    default:
      return assertNever(admission);
  }
}

/** Ignores machines that do not belong to this deployment. */
async function recognize(
  { instanceId, power, delivery }: Extract<Message, { kind: 'power' }>,
  { hosts }: Pick<Ec2Ports, 'hosts'>,
): Promise<Sighting | undefined> {
  const environment = await hosts.environmentOfHost(instanceId);
  return environment === undefined
    ? undefined
    : { kind: 'power', environment, unit: instanceId, power, delivery };
}
