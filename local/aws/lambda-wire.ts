/** Lambda on the wire: invocations, and the part of a function's configuration that a deploy changes. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { unzipSync } from 'fflate';
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';
import { type Call, jsonReply, type Reply } from './aws-protocol.ts';
import type { LambdaRuntime } from './lambda-runtime.ts';
import { operationNamed } from './operation-named.ts';
import type { FunctionDescription } from './template-functions.ts';

/** Limits of the whole account and region. Young accounts have 10. */
export interface LambdaAccount {
  concurrentExecutions: number;
}

interface LambdaDependencies {
  runtime: LambdaRuntime;
  functions: readonly FunctionDescription[];
  account: LambdaAccount;
}

type LambdaOperation = (call: Call, deps: LambdaDependencies) => Reply | Promise<Reply>;

/** How the operations are told apart on the wire: `aws-protocol.ts`. */
export const lambdaOperations: Readonly<Record<string, LambdaOperation>> = {
  GetAccountSettings(_, { account: { concurrentExecutions }, functions }) {
    const reserved = functions.reduce((sum, one) => sum + (one.reservedConcurrency ?? 0), 0);
    return jsonReply({
      AccountLimit: {
        ConcurrentExecutions: concurrentExecutions,
        UnreservedConcurrentExecutions: concurrentExecutions - reserved,
      },
      AccountUsage: { FunctionCount: functions.length },
    });
  },
  Invoke(call, deps) {
    functionOf(call, deps);
    const { key, request } = call;
    return invoke(deps.runtime, key, bodyOf(call), request.headers['x-amz-invocation-type']);
  },
  GetFunctionConfiguration: (call, deps) => configuration(functionOf(call, deps)),
  UpdateFunctionConfiguration(call, deps) {
    const found = functionOf(call, deps);
    found.description = v.parse(v.object({ Description: v.string() }), bodyOf(call)).Description;
    deps.runtime.renew(found.name);
    return configuration(found);
  },
  async UpdateFunctionCode(call, deps) {
    const found = functionOf(call, deps);
    const { ZipFile } = v.parse(v.object({ ZipFile: v.string() }), bodyOf(call));
    found.assetFolder = await unpacked(Buffer.from(ZipFile, 'base64'));
    deps.runtime.renew(found.name);
    return configuration(found);
  },
};

/** @throws AwsError */
export async function answerLambda(call: Call, deps: LambdaDependencies): Promise<Reply> {
  const perform = operationNamed(lambdaOperations, call.operation);
  if (perform) return perform(call, deps);
  throw new AwsError(
    'UnknownOperationException',
    `The local platform does not offer lambda:${call.operation}`,
    404,
  );
}

function functionOf({ key }: Call, { functions }: LambdaDependencies): FunctionDescription {
  const found = functions.find(({ name, arn }) => name === key || arn === key);
  if (!found) throw new AwsError('ResourceNotFoundException', `Function not found: ${key}`, 404);
  return found;
}

function bodyOf({ request }: Call): unknown {
  return JSON.parse(Buffer.from(request.body).toString() || '{}');
}

function configuration(found: FunctionDescription): Reply {
  return jsonReply({
    FunctionName: found.name,
    FunctionArn: found.arn,
    Description: found.description,
    State: 'Active',
    LastUpdateStatus: 'Successful',
    Timeout: found.timeoutSeconds,
    MemorySize: found.memoryMb,
    Environment: { Variables: found.environment },
  });
}

/** Unpacks into the folder for temporary files, which the platform empties when it ends. */
async function unpacked(zip: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'function-'));
  for (const [name, content] of Object.entries(unzipSync(zip))) {
    await writeFile(join(folder, basename(name)), content);
  }
  return folder;
}

async function invoke(
  runtime: LambdaRuntime,
  name: string,
  event: unknown,
  type: string | undefined,
): Promise<Reply> {
  if (type === 'Event') {
    void runtime.invoke(name, event);
    return { status: 202, headers: {}, body: new Uint8Array() };
  }
  const result = await runtime.invoke(name, event);
  if (result.ok) return jsonReply(result.value ?? null);
  return jsonReply({ errorType: result.errorType, errorMessage: result.errorMessage }, 200, {
    'x-amz-function-error': 'Unhandled',
  });
}
