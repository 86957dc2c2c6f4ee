/**
 * The SQS event source mapping of a function: receives, invokes, deletes the messages that succeeded.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 *
 * A failed message is not touched: it becomes visible again after its visibility timeout, and goes to the dead-letter
 * queue after `maxReceiveCount` times; the queue does both. With partial batches the function names the failed
 * messages; an answer that names an unknown message fails the whole batch.
 * An invocation that Lambda refuses as a loop is such a failure too, so the chain ends in the dead letters.
 */
import * as v from 'valibot';
import type { InvocationResult } from './lambda-runtime.ts';
import type { EventSourceDescription } from './template-functions.ts';
import { takeTraceHeader, timesIn } from './trace-header.ts';

export interface EventSourceOptions {
  mapping: EventSourceDescription;
  queueArn: string;
  functionArn: string;
  region: string;
  /** One SQS operation on the queue, unsigned. */
  sqs(operation: string, params: object): Promise<unknown>;
  invoke(functionName: string, event: unknown, traceHeader?: string): Promise<InvocationResult>;
  /** One line per failed batch. */
  log(line: string): void;
}

export interface EventSource {
  close(): Promise<void>;
}

const LONG_POLL_SECONDS = 20;
const PAUSE_AFTER_ERROR_MS = 500;

const attributeSchema = v.object({
  DataType: v.string(),
  StringValue: v.optional(v.string()),
  BinaryValue: v.optional(v.string()),
});
const messageSchema = v.object({
  MessageId: v.string(),
  ReceiptHandle: v.string(),
  Body: v.string(),
  MD5OfBody: v.string(),
  Attributes: v.optional(v.record(v.string(), v.string()), {}),
  MessageAttributes: v.optional(v.record(v.string(), attributeSchema), {}),
});
const receivedSchema = v.object({ Messages: v.optional(v.array(messageSchema), []) });
type Received = v.InferOutput<typeof messageSchema>;
type Message = ReturnType<typeof withTraceHeader>;

const responseSchema = v.nullish(
  v.looseObject({
    batchItemFailures: v.nullish(v.array(v.object({ itemIdentifier: v.pipe(v.string(), v.minLength(1)) }))),
  }),
);

export function startEventSource(options: EventSourceOptions): EventSource {
  const { mapping } = options;
  const inFlight = new Set<Promise<void>>();
  const closing = Promise.withResolvers<object>();
  let closed = false;

  async function handle(messages: Message[]): Promise<void> {
    const result = await options.invoke(
      mapping.functionName,
      { Records: messages.map((message) => record(message, options)) },
      longestChain(messages, options.functionArn),
    );
    const failed = failedIds(result, messages, mapping.partialBatch);
    if (failed.size > 0)
      options.log(
        `${failed.size} of ${messages.length} messages failed${result.ok ? '' : `: ${result.errorType}: ${result.errorMessage}`}`,
      );
    const done = messages.filter(({ MessageId }) => !failed.has(MessageId));
    if (done.length === 0) return;
    const Entries = done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    await options.sqs('DeleteMessageBatch', { Entries });
  }

  async function poll(): Promise<void> {
    while (!closed) {
      if (inFlight.size >= mapping.maxConcurrency) {
        await Promise.race(inFlight);
        continue;
      }
      const messages = await receive();
      if (closed || messages.length === 0) continue;
      const work = handle(messages)
        .catch((error: unknown) => options.log(`event source of ${mapping.functionName}: ${String(error)}`))
        .finally(() => inFlight.delete(work));
      inFlight.add(work);
    }
  }

  async function receive(): Promise<Message[]> {
    try {
      const receiving = options.sqs('ReceiveMessage', {
        MaxNumberOfMessages: Math.min(mapping.batchSize, 10),
        WaitTimeSeconds: LONG_POLL_SECONDS,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      });
      const received = await Promise.race([receiving, closing.promise]);
      return v.parse(receivedSchema, received).Messages.map(withTraceHeader);
    } catch (error) {
      if (!closed) options.log(`event source of ${mapping.functionName}: ${String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_ERROR_MS));
      return [];
    }
  }

  const polling = poll();
  return {
    /** Lets running invocations finish; messages that the last poll would receive stay in the queue. */
    async close() {
      closed = true;
      closing.resolve({});
      await Promise.allSettled([polling, ...inFlight]);
    },
  };
}

/** The emulator puts it among the attributes of the sender, SQS among its own. */
function withTraceHeader(message: Received) {
  const { attributes, traceHeader } = takeTraceHeader(message.MessageAttributes);
  return {
    ...message,
    MessageAttributes: attributes,
    Attributes: { ...message.Attributes, ...(traceHeader && { AWSTraceHeader: traceHeader }) },
    traceHeader,
  };
}

/** A batch is one invocation: the message with the longest chain decides for it. */
function longestChain(messages: Message[], functionArn: string): string | undefined {
  const times = (message: Message) => timesIn(functionArn, message.traceHeader);
  return messages.toSorted((one, other) => times(other) - times(one))[0]?.traceHeader;
}

function failedIds(result: InvocationResult, messages: Message[], partialBatch: boolean): Set<string> {
  const all = new Set(messages.map(({ MessageId }) => MessageId));
  if (!result.ok) return all;
  if (!partialBatch) return new Set();
  const parsed = v.safeParse(responseSchema, result.value);
  if (!parsed.success) return all;
  const named = (parsed.output?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier);
  return named.every((id) => all.has(id)) ? new Set(named) : all;
}

function record(message: Message, { queueArn, region }: EventSourceOptions): object {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes,
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes).map(([name, attribute]) => [
        name,
        {
          dataType: attribute.DataType,
          ...(attribute.StringValue !== undefined && { stringValue: attribute.StringValue }),
          ...(attribute.BinaryValue !== undefined && { binaryValue: attribute.BinaryValue }),
          stringListValues: [],
          binaryListValues: [],
        },
      ]),
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: region,
  };
}
