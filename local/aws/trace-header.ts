/**
 * How Lambda recognises a function that calls itself: an invocation passes a trace header on to what it sends, and
 * from there it reaches the next invocation; the header counts the invocations.
 *
 *   function --X-Amzn-Trace-Id (its SDK)--> SQS --attribute AWSTraceHeader--> event source --> function
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html, and for the header's form
 * https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
 *
 * Gotchas
 * - The form of the count is internal to Lambda; this is the documented form, `Lineage=<function>:<count>|...`.
 * - A message from another sender (the Worker, S3, EventBridge) has no header, so a chain begins with it.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { RawRequest } from './sigv4.ts';

/** "Approximately 16 times in the same chain of requests"; then the next invocation is refused. */
const MAX_INVOCATIONS = 16;

/**
 * The emulator keeps no attribute that only SQS may set, so the header is sent as one that a sender may set, under a
 * name that no sender may choose: names that begin with `AWS.` belong to SQS.
 */
const carrier = 'AWS.TraceHeader';

const sendSchema = v.looseObject({ MessageAttributes: v.optional(v.record(v.string(), v.unknown())) });
const batchSchema = v.looseObject({ Entries: v.array(sendSchema) });
type Send = v.InferOutput<typeof sendSchema>;

/** SendMessage and SendMessageBatch in the form for the emulator. */
export function keepTraceHeader(operation: string, request: RawRequest): RawRequest {
  const header = request.headers['x-amzn-trace-id'];
  if (!header || !/^SendMessage(Batch)?$/.test(operation)) return request;
  const mark = (send: Send): Send => ({
    ...send,
    MessageAttributes: { ...send.MessageAttributes, [carrier]: { DataType: 'String', StringValue: header } },
  });
  const parsed: unknown = JSON.parse(Buffer.from(request.body).toString());
  const batch = v.safeParse(batchSchema, parsed);
  const marked = batch.success
    ? { ...batch.output, Entries: batch.output.Entries.map(mark) }
    : mark(v.parse(sendSchema, parsed));
  return { ...request, body: Buffer.from(JSON.stringify(marked)) };
}

/** From a received message: its own attributes, and the header that SQS would put among its system attributes. */
export function takeTraceHeader<Attribute extends { StringValue?: string | undefined }>(
  attributes: Record<string, Attribute>,
): { attributes: Record<string, Attribute>; traceHeader: string | undefined } {
  const { [carrier]: carried, ...own } = attributes;
  return { attributes: own, traceHeader: carried?.StringValue };
}

/** How many times the header's chain has been in the function. */
export function timesIn(functionArn: string, header: string | undefined): number {
  return lineageOf(header).get(hashOf(functionArn)) ?? 0;
}

export function isRunaway(functionArn: string, header: string | undefined): boolean {
  return timesIn(functionArn, header) >= MAX_INVOCATIONS;
}

/** The header that a function receives, and passes on with everything that it sends. */
export function enterFunction(functionArn: string, header: string | undefined, now: number): string {
  const root = /Root=([^;]+)/.exec(header ?? '')?.[1] ?? `1-${seconds(now)}-${hex(12)}`;
  const lineage = lineageOf(header).set(hashOf(functionArn), timesIn(functionArn, header) + 1);
  const chain = [...lineage].map(([hash, count]) => `${hash}:${count}`).join('|');
  return `Root=${root};Parent=${hex(8)};Sampled=0;Lineage=${chain}`;
}

function lineageOf(header: string | undefined): Map<string, number> {
  const chain = /Lineage=([^;]+)/.exec(header ?? '')?.[1] ?? '';
  return new Map(
    [...chain.matchAll(/([0-9a-f]{8}):(\d+)/g)].map(([, hash = '', count]) => [hash, Number(count)]),
  );
}

function hashOf(functionArn: string): string {
  return createHash('sha256').update(functionArn).digest('hex').slice(0, 8);
}

function seconds(now: number): string {
  return Math.floor(now / 1_000).toString(16);
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
