import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { openDeployment } from '../../../infra/deploy/open-deployment.ts';
import { placeholderSettings } from '../../../infra/settings/settings.ts';
import { runPause, runResume, setPause } from '../../../scripts/pause/run-pause.ts';
import { type MemoryParameters, memoryParameters } from '../../fakes/memory-parameters.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';

/** Lambda's side of Invoke. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
let lambda: Server;
const invoked: { path: string | undefined; event: unknown; paused: string | undefined }[] = [];
let functionError: string | undefined;
let parameters: MemoryParameters;

beforeAll(async () => {
  lambda = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const event: unknown = JSON.parse(Buffer.concat(chunks).toString());
    invoked.push({ path: request.url, event, paused: parameters.values.get('/eph/local/paused') });
    if (functionError) response.setHeader('x-amz-function-error', 'Unhandled');
    response.end(functionError ?? '{"wakeAll":3}');
  });
  await new Promise<void>((resolve) => {
    lambda.listen(0, '127.0.0.1', resolve);
  });
});
afterAll(
  () =>
    new Promise((resolve) => {
      lambda.close(resolve);
      lambda.closeAllConnections();
    }),
);
beforeEach(() => {
  invoked.length = 0;
  functionError = undefined;
  parameters = memoryParameters();
});

async function open(outputs: Record<string, string> = { CleanupFunctionName: 'cleanup' }) {
  const terminal = scriptedTerminal();
  const deployment = await openDeployment(terminal, {
    ...placeholderSettings,
    EPH_ENV_FILE: '/dev/null',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    ACCESS_ALLOW: '@acme.dev',
    GITHUB_OWNER: 'acme',
    GITHUB_APP_SLUG: 'eph',
  });
  const found = { outputs: { JobQueueUrl: '', MailboxBucketName: '', ...outputs } };
  return { deployment: { ...deployment, parameters, found }, terminal };
}

describe('make pause and make resume', () => {
  it.each([
    ['make pause', (it: Deployment) => runPause(it, { sleep: false }), 'launches'],
    ['make pause SLEEP=1', (it: Deployment) => runPause(it, { sleep: true }), 'everything'],
    ['make resume', runResume, 'no'],
  ])('%s: writes its word first, then wakes everything', async (_what, run, written) => {
    const { deployment, terminal } = await open();
    await run(deployment);
    const path = '/2015-03-31/functions/cleanup/invocations';
    expect(invoked).toEqual([{ path, event: { task: 'wake-all' }, paused: written }]);
    expect(terminal.lines[0]).toContain('done: Eph "local"');
  });

  it('report that the environments could not be woken, and can be repeated', async () => {
    const { deployment } = await open();
    functionError = '{"errorMessage":"the table is throttled"}';
    await expect(setPause(deployment, 'launches')).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringContaining('the table is throttled'),
    });
    functionError = undefined;
    await setPause(deployment, 'launches');
    expect(invoked).toHaveLength(2);
  });

  it('write nothing to a stack that does not know a pause yet', async () => {
    const { deployment } = await open({});
    await expect(setPause(deployment, 'launches')).rejects.toMatchObject({
      fix: expect.stringContaining('make deploy'),
    });
    expect(parameters.values.size).toBe(0);
  });
});
