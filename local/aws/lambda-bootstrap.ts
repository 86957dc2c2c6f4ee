/**
 * The program that Lambda runs in a function's sandbox: it loads the bundle once, then handles one event at a time.
 * `lambda-runtime.ts` starts it as a child process: `node lambda-bootstrap.ts <file> <export>`.
 */
import { pathToFileURL } from 'node:url';
import * as v from 'valibot';

export interface Invocation {
  requestId: string;
  event: unknown;
  /** Epoch milliseconds. */
  deadline: number;
  functionArn: string;
  traceHeader: string;
}

export type SandboxMessage =
  | { kind: 'ready' }
  | { kind: 'done'; requestId: string; value: unknown }
  | { kind: 'failed'; requestId: string | undefined; errorType: string; errorMessage: string; stack: string };

const invocationSchema = v.object({
  requestId: v.string(),
  event: v.unknown(),
  deadline: v.number(),
  functionArn: v.string(),
  traceHeader: v.string(),
});
const moduleSchema = v.record(v.string(), v.unknown());

function send(message: SandboxMessage): void {
  process.send?.(message);
}

function failed(requestId: string | undefined, error: unknown): SandboxMessage {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'failed', requestId, errorType: name, errorMessage: message, stack: stack ?? '' };
}

async function loadHandler(file: string, exported: string) {
  const loaded = v.parse(moduleSchema, { ...(await import(pathToFileURL(file).href)) });
  const handler = loaded[exported];
  if (typeof handler !== 'function') throw new Error(`${file} exports no function ${exported}`);
  return handler;
}

function contextOf({ requestId, deadline, functionArn }: Invocation): object {
  return {
    awsRequestId: requestId,
    functionName: process.env['AWS_LAMBDA_FUNCTION_NAME'],
    functionVersion: '$LATEST',
    invokedFunctionArn: functionArn,
    memoryLimitInMB: process.env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
    logGroupName: process.env['AWS_LAMBDA_LOG_GROUP_NAME'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    callbackWaitsForEmptyEventLoop: true,
  };
}

async function main(): Promise<void> {
  const [file = '', exported = ''] = process.argv.slice(2);
  const handler = await loadHandler(file, exported);
  process.on('message', async (message) => {
    const invocation = v.parse(invocationSchema, message);
    // The SDK reads the trace header here and sends it as X-Amzn-Trace-Id.
    process.env['_X_AMZN_TRACE_ID'] = invocation.traceHeader;
    try {
      const value: unknown = await handler(invocation.event, contextOf(invocation));
      send({ kind: 'done', requestId: invocation.requestId, value: value ?? null });
    } catch (error) {
      console.error(error);
      send(failed(invocation.requestId, error));
    }
  });
  send({ kind: 'ready' });
}

process.on('disconnect', () => process.exit());
main().catch((error: unknown) => {
  console.error(error);
  process.send?.(failed(undefined, error), undefined, {}, () => process.exit(1));
});
