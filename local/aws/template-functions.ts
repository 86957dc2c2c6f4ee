/** Functions of a template and what calls them: event sources and scheduled rules. */
import { join } from 'node:path';
import * as v from 'valibot';
import type { Resolver } from './template-intrinsics.ts';
import { arnOf, lastPart, physicalName } from './template-names.ts';

export interface FunctionDescription {
  logicalId: string;
  name: string;
  arn: string;
  /** Folder with the bundle, and `<file>.<export>` in it. */
  assetFolder: string;
  handler: string;
  timeoutSeconds: number;
  memoryMb: number;
  environment: Record<string, string>;
  roleName: string;
  reservedConcurrency: number | undefined;
}

export interface EventSourceDescription {
  functionName: string;
  queueName: string;
  batchSize: number;
  partialBatch: boolean;
  maxConcurrency: number;
}

export interface RuleDescription {
  logicalId: string;
  name: string;
  arn: string;
  schedule: string;
  enabled: boolean;
  targets: { functionName: string; input: string | undefined }[];
}

const numberLike = v.pipe(v.union([v.number(), v.string()]), v.transform(Number));

const functionSchema = v.looseObject({
  Handler: v.string(),
  Runtime: v.pipe(v.string(), v.startsWith('nodejs', 'the local platform runs Node.js functions only')),
  Role: v.string(),
  Code: v.looseObject({ S3Key: v.string() }),
  Timeout: v.optional(numberLike, 3),
  MemorySize: v.optional(numberLike, 128),
  ReservedConcurrentExecutions: v.optional(numberLike),
  Environment: v.optional(
    v.object({ Variables: v.record(v.string(), v.pipe(v.unknown(), v.transform(String))) }),
  ),
});

export function readFunction(
  resolver: Resolver,
  id: string,
  properties: unknown,
  assetRoot: string,
): FunctionDescription {
  const parsed = v.parse(functionSchema, properties);
  return {
    logicalId: id,
    name: physicalName(resolver, id),
    arn: arnOf(resolver, id),
    assetFolder: join(assetRoot, `asset.${parsed.Code.S3Key.replace(/^.*\//, '').replace(/\.zip$/, '')}`),
    handler: parsed.Handler,
    timeoutSeconds: parsed.Timeout,
    memoryMb: parsed.MemorySize,
    environment: parsed.Environment?.Variables ?? {},
    roleName: lastPart(parsed.Role),
    reservedConcurrency: parsed.ReservedConcurrentExecutions,
  };
}

const eventSourceSchema = v.looseObject({
  FunctionName: v.string(),
  EventSourceArn: v.pipe(
    v.string(),
    v.startsWith('arn:aws:sqs:', 'the local platform knows SQS event sources only'),
  ),
  BatchSize: v.optional(numberLike, 10),
  FunctionResponseTypes: v.optional(v.array(v.string()), []),
  // Without a limit AWS starts with 5 pollers.
  ScalingConfig: v.optional(v.object({ MaximumConcurrency: numberLike }), { MaximumConcurrency: 5 }),
});

export function readEventSource(properties: unknown): EventSourceDescription {
  const parsed = v.parse(eventSourceSchema, properties);
  return {
    functionName: lastPart(parsed.FunctionName),
    queueName: lastPart(parsed.EventSourceArn),
    batchSize: parsed.BatchSize,
    partialBatch: parsed.FunctionResponseTypes.includes('ReportBatchItemFailures'),
    maxConcurrency: parsed.ScalingConfig.MaximumConcurrency,
  };
}

const ruleSchema = v.looseObject({
  ScheduleExpression: v.optional(v.string()),
  EventPattern: v.optional(v.never('the local platform knows rules with a schedule only')),
  State: v.optional(v.string(), 'ENABLED'),
  Targets: v.array(v.strictObject({ Arn: v.string(), Id: v.string(), Input: v.optional(v.string()) })),
});

export function readRule(resolver: Resolver, id: string, properties: unknown): RuleDescription {
  const parsed = v.parse(ruleSchema, properties);
  return {
    logicalId: id,
    name: physicalName(resolver, id),
    arn: arnOf(resolver, id),
    schedule: parsed.ScheduleExpression ?? '',
    enabled: parsed.State === 'ENABLED',
    targets: parsed.Targets.map(({ Arn, Input }) => ({ functionName: lastPart(Arn), input: Input })),
  };
}
