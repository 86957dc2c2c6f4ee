/** Lambda on the wire: invocations, and the part of a function's configuration that a deploy changes. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { unzipSync } from 'fflate';
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';
import { type Call, jsonReply, type Reply } from './aws-protocol.ts';
import type { LambdaRuntime } from './lambda-runtime.ts';
import type { FunctionDescription } from './template-functions.ts';

/** Of the whole account and region. Young accounts have 10. */
export interface LambdaAccount {
  concurrentExecutions: number;
}

/** @throws AwsError */
export async function answerLambda(
  { operation, key, request }: Call,
  runtime: LambdaRuntime,
  functions: readonly FunctionDescription[],
  account: LambdaAccount,
): Promise<Reply> {
  if (operation === 'GetAccountSettings') {
    const { concurrentExecutions } = account;
    const reserved = functions.reduce((sum, one) => sum + (one.reservedConcurrency ?? 0), 0);
    return jsonReply({
      AccountLimit: {
        ConcurrentExecutions: concurrentExecutions,
        UnreservedConcurrentExecutions: concurrentExecutions - reserved,
      },
      AccountUsage: { FunctionCount: functions.length },
    });
  }
  const body: unknown = JSON.parse(Buffer.from(request.body).toString() || '{}');
  const found = functions.find(({ name, arn }) => name === key || arn === key);
  if (!found) throw new AwsError('ResourceNotFoundException', `Function not found: ${key}`, 404);
  if (operation === 'Invoke') return invoke(runtime, key, body, request.headers['x-amz-invocation-type']);
  if (operation === 'UpdateFunctionConfiguration') {
    const { Description } = v.parse(v.object({ Description: v.string() }), body);
    found.description = Description;
    runtime.renew(found.name);
  }
  if (operation === 'UpdateFunctionCode') {
    const { ZipFile } = v.parse(v.object({ ZipFile: v.string() }), body);
    found.assetFolder = await unpacked(Buffer.from(ZipFile, 'base64'));
    runtime.renew(found.name);
  }
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

/** In the folder for temporary files, which the platform empties when it ends. */
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
