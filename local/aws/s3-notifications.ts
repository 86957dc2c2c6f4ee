/**
 * The message that S3 sends to a queue when an object was created.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 *
 * Delivery is at least once and unordered: `knobs.duplicate` sends each message twice, `knobs.reorder` holds a
 * message back until the next one was sent (or half a second has passed).
 */
export interface BucketNotification {
  queueName: string;
  /** `s3:ObjectCreated:*`, `s3:ObjectCreated:Put`, ... */
  events: string[];
  prefix: string;
  suffix: string;
}

export interface ObjectCreated {
  bucket: string;
  key: string;
  /** `ObjectCreated:Put`. */
  eventName: string;
  size: number;
  etag: string;
  principalId: string;
  /** Epoch milliseconds. */
  at: number;
}

export interface NotificationKnobs {
  duplicate: boolean;
  reorder: boolean;
}

export interface Notifications {
  knobs: NotificationKnobs;
  objectCreated(event: ObjectCreated): Promise<void>;
}

export interface NotificationsOptions {
  region: string;
  /** By bucket name. */
  notifications: ReadonlyMap<string, readonly BucketNotification[]>;
  send(queueName: string, body: string): Promise<void>;
}

const HELD_BACK_MS = 500;

export function createNotifications({ region, notifications, send }: NotificationsOptions): Notifications {
  const knobs: NotificationKnobs = { duplicate: false, reorder: false };
  let heldBack: (() => Promise<void>) | undefined;
  let sequence = 0;

  async function deliver(queueName: string, body: string): Promise<void> {
    await send(queueName, body);
    if (knobs.duplicate) await send(queueName, body);
  }

  async function releaseHeldBack(): Promise<void> {
    const release = heldBack;
    heldBack = undefined;
    await release?.();
  }

  return {
    knobs,
    async objectCreated(event) {
      sequence += 1;
      for (const notification of notifications.get(event.bucket) ?? []) {
        if (!matches(notification, event)) continue;
        const body = JSON.stringify({ Records: [record(event, region, sequence)] });
        if (knobs.reorder && !heldBack) {
          heldBack = () => deliver(notification.queueName, body);
          setTimeout(releaseHeldBack, HELD_BACK_MS).unref();
          continue;
        }
        await deliver(notification.queueName, body);
        await releaseHeldBack();
      }
    },
  };
}

function matches({ events, prefix, suffix }: BucketNotification, { eventName, key }: ObjectCreated): boolean {
  const wanted = events.some((event) => {
    const name = event.replace(/^s3:/, '');
    return name === eventName || (name.endsWith(':*') && eventName.startsWith(name.slice(0, -1)));
  });
  return wanted && key.startsWith(prefix) && key.endsWith(suffix);
}

function record(event: ObjectCreated, region: string, sequence: number): object {
  const sequencer = (event.at * 1000 + sequence).toString(16).toUpperCase().padStart(18, '0');
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: region,
    eventTime: new Date(event.at).toISOString(),
    eventName: event.eventName,
    userIdentity: { principalId: `AWS:${event.principalId}` },
    requestParameters: { sourceIPAddress: '127.0.0.1' },
    responseElements: { 'x-amz-request-id': sequencer.slice(-16), 'x-amz-id-2': 'local' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: 'local',
      bucket: {
        name: event.bucket,
        ownerIdentity: { principalId: 'LOCAL' },
        arn: `arn:aws:s3:::${event.bucket}`,
      },
      object: { key: urlEncoded(event.key), size: event.size, eTag: event.etag, sequencer },
    },
  };
}

/** Encoded as in a form: a space is `+`, a slash stays; readers must decode it. */
function urlEncoded(key: string): string {
  return key
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll('%20', '+'))
    .join('/');
}
