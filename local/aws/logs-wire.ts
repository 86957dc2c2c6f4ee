/** CloudWatch Logs on the wire: JSON 1.1, times as epoch milliseconds. */
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';
import { jsonReply, type Reply } from './aws-protocol.ts';
import type { LogStore } from './log-store.ts';
import { operationNamed } from './operation-named.ts';

const filterSchema = v.object({
  logGroupName: v.string(),
  startTime: v.optional(v.number()),
  endTime: v.optional(v.number()),
  filterPattern: v.optional(v.string()),
  limit: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(10_000))),
  nextToken: v.optional(v.string()),
});

type LogsOperation = (store: LogStore, params: Record<string, unknown>) => object;

export const logsOperations: Readonly<Record<string, LogsOperation>> = {
  DescribeLogGroups(store, params) {
    const { logGroupNamePrefix } = read(v.object({ logGroupNamePrefix: v.optional(v.string(), '') }), params);
    const groups = store.groups(logGroupNamePrefix);
    return {
      logGroups: groups.map(({ name, createdAt }) => ({ logGroupName: name, creationTime: createdAt })),
    };
  },
  FilterLogEvents(store, params) {
    const query = read(filterSchema, params);
    const { events, nextToken } = store.filter({
      group: query.logGroupName,
      from: query.startTime,
      to: query.endTime,
      pattern: query.filterPattern,
      limit: query.limit,
      nextToken: query.nextToken,
    });
    return {
      events: events.map(({ id, at, message }) => ({
        eventId: id,
        timestamp: at,
        ingestionTime: at,
        message,
      })),
      searchedLogStreams: [],
      ...(nextToken && { nextToken }),
    };
  },
  DeleteLogGroup(store, params) {
    store.deleteGroup(read(v.object({ logGroupName: v.string() }), params).logGroupName);
    return {};
  },
};

/** @throws AwsError */
export function answerLogs(store: LogStore, operation: string, params: Record<string, unknown>): Reply {
  const perform = operationNamed(logsOperations, operation);
  if (perform) return jsonReply(perform(store, params));
  throw new AwsError('UnknownOperationException', `The local platform does not offer logs:${operation}`);
}

function read<Schema extends v.GenericSchema>(schema: Schema, params: unknown): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, params);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new AwsError('InvalidParameterException', `${v.getDotPath(issue) ?? 'request'}: ${issue.message}`);
}
