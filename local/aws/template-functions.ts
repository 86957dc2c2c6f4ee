/** Functions of a template and their callers: event sources and rules. */
import { join } from 'node:path';
import * as v from 'valibot';
import { type EventPattern, type InputTransformer, parsePattern } from './event-pattern.ts';
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
  description: string;
  logGroup: string;
  recursiveLoop: 'Allow' | 'Terminate';
}

export interface EventSourceDescription {
  functionName: string;
  queueName: string;
  batchSize: number;
  partialBatch: boolean;
  maxConcurrency: number;
}

export interface FunctionUrlDescription {
  functionName: string;
  /** Whether everybody has both rights that Lambda requires. */
  open: boolean;
}

export interface RuleDescription {
  logicalId: string;
  name: string;
  arn: string;
  /** Either this or the pattern is set. */
  schedule: string | undefined;
  pattern: EventPattern | undefined;
  enabled: boolean;
  targets: RuleTarget[];
}

export interface RuleTarget {
  service: 'lambda' | 'sqs';
  /** The name of the function or the queue. */
  name: string;
  arn: string;
  input: string | undefined;
  transformer: InputTransformer | undefined;
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
  Description: v.optional(v.string(), ''),
  RecursiveLoop: v.optional(v.picklist(['Allow', 'Terminate']), 'Terminate'),
  LoggingConfig: v.optional(v.looseObject({ LogGroup: v.optional(v.string()) })),
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
    description: parsed.Description,
    logGroup: parsed.LoggingConfig?.LogGroup ?? `/aws/lambda/${physicalName(resolver, id)}`,
    recursiveLoop: parsed.RecursiveLoop,
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

const functionUrlSchema = v.looseObject({
  TargetFunctionArn: v.string(),
  AuthType: v.literal('NONE', 'the local platform knows addresses that are open to everybody only'),
});
const permissionSchema = v.looseObject({
  Action: v.string(),
  FunctionName: v.string(),
  Principal: v.string(),
  FunctionUrlAuthType: v.optional(v.string()),
  InvokedViaFunctionUrl: v.optional(v.boolean()),
});
export type PermissionDescription = v.InferOutput<typeof permissionSchema>;

export function readPermission(properties: unknown): PermissionDescription {
  const parsed = v.parse(permissionSchema, properties);
  return { ...parsed, FunctionName: lastPart(parsed.FunctionName) };
}

export function readFunctionUrl(
  properties: unknown,
  permissions: readonly PermissionDescription[],
): FunctionUrlDescription {
  const functionName = lastPart(v.parse(functionUrlSchema, properties).TargetFunctionArn);
  const given = permissions.filter(
    ({ FunctionName, Principal }) => FunctionName === functionName && Principal === '*',
  );
  const byAddress = given.some(
    ({ Action, FunctionUrlAuthType }) =>
      Action === 'lambda:InvokeFunctionUrl' && FunctionUrlAuthType === 'NONE',
  );
  const atAll = given.some(({ Action }) => Action === 'lambda:InvokeFunction');
  return { functionName, open: byAddress && atAll };
}

const targetSchema = v.strictObject({
  Arn: v.pipe(v.string(), v.regex(/^arn:aws:(lambda|sqs):/, 'the local platform knows functions and queues')),
  Id: v.string(),
  Input: v.optional(v.string()),
  InputTransformer: v.optional(
    v.object({ InputPathsMap: v.optional(v.record(v.string(), v.string()), {}), InputTemplate: v.string() }),
  ),
  // This configures undeliverable events: here every event can be delivered.
  DeadLetterConfig: v.optional(v.unknown()),
  RetryPolicy: v.optional(v.unknown()),
});

const ruleSchema = v.looseObject({
  ScheduleExpression: v.optional(v.string()),
  EventPattern: v.optional(v.unknown()),
  State: v.optional(v.string(), 'ENABLED'),
  Targets: v.array(targetSchema),
});

export function readRule(resolver: Resolver, id: string, properties: unknown): RuleDescription {
  const parsed = v.parse(ruleSchema, properties);
  return {
    logicalId: id,
    name: physicalName(resolver, id),
    arn: arnOf(resolver, id),
    schedule: parsed.ScheduleExpression,
    pattern: parsed.EventPattern === undefined ? undefined : parsePattern(parsed.EventPattern),
    enabled: parsed.State === 'ENABLED',
    targets: parsed.Targets.map(({ Arn, Input, InputTransformer }) => ({
      service: Arn.startsWith('arn:aws:sqs:') ? 'sqs' : 'lambda',
      name: lastPart(Arn),
      arn: Arn,
      input: Input,
      transformer: InputTransformer && {
        paths: InputTransformer.InputPathsMap,
        template: InputTransformer.InputTemplate,
      },
    })),
  };
}
