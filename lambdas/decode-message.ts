import * as v from 'valibot';
import { decodeJob, type Job } from '#core/job';
import { mailboxFiles, parseMailboxKey } from '#core/mailbox';

/** What comes out of the queue: a job of ours, S3 saying that a host wrote a report, EC2 that one is off. */
export type Message =
  | { kind: 'job'; job: Job }
  | { kind: 'report'; instanceId: string; report: 'progress' | 'result'; delivery: string }
  | { kind: 'power'; instanceId: string; power: 'off' | 'gone'; delivery: string };

export type Decoded = { ok: true; messages: Message[] } | { ok: false; problem: string };

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
const s3EventSchema = v.object({
  Records: v.array(
    v.object({
      eventSource: v.literal('aws:s3'),
      s3: v.object({ object: v.object({ key: v.string(), sequencer: v.optional(v.string()) }) }),
    }),
  ),
});

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html */
const powerEventSchema = v.object({
  id: v.optional(v.string(), 'ec2'),
  'detail-type': v.literal('EC2 Instance State-change Notification'),
  detail: v.object({ 'instance-id': v.string(), state: v.string() }),
});
/** The states in between say nothing that the last one will not say. */
const powerOf: Record<string, 'off' | 'gone'> = { stopped: 'off', terminated: 'gone' };

const reports: Record<string, 'progress' | 'result'> = {
  [mailboxFiles.progress]: 'progress',
  [mailboxFiles.result]: 'result',
};

export function decodeMessage(body: string): Decoded {
  const json = parse(body);
  const event = v.safeParse(s3EventSchema, json);
  if (event.success) {
    try {
      return { ok: true, messages: event.output.Records.flatMap(toReport) };
    } catch {
      return { ok: false, problem: 'the key in the notification of S3 cannot be decoded' };
    }
  }
  // S3 sends one of these when the notification is set up; there is nothing to do about it.
  if (typeof json === 'object' && json !== null && 'Event' in json && json.Event === 's3:TestEvent') {
    return { ok: true, messages: [] };
  }
  const powerEvent = v.safeParse(powerEventSchema, json);
  if (powerEvent.success) return { ok: true, messages: toPower(powerEvent.output) };
  const decoded = decodeJob(body);
  return decoded.ok ? { ok: true, messages: [{ kind: 'job', job: decoded.job }] } : decoded;
}

function toReport(record: v.InferOutput<typeof s3EventSchema>['Records'][number]): Message[] {
  // S3 encodes keys in events as a form would: `+` is a space.
  const key = decodeURIComponent(record.s3.object.key.replace(/\+/g, ' '));
  const from = parseMailboxKey(key);
  const report = from && reports[from.file];
  if (!from || !report) return [];
  return [
    { kind: 'report', instanceId: from.instanceId, report, delivery: record.s3.object.sequencer ?? 's3' },
  ];
}

function toPower({ id, detail }: v.InferOutput<typeof powerEventSchema>): Message[] {
  const power = powerOf[detail.state];
  return power ? [{ kind: 'power', instanceId: detail['instance-id'], power, delivery: id }] : [];
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
