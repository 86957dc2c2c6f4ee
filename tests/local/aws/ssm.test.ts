import { expect, test } from 'vitest';
import { createSsm } from '../../../local/aws/ssm.ts';
import { parseDocument } from '../../../local/aws/ssm-document.ts';

const content = (parameter: object, command = 'eph-agent ring "$SSM_Generation"') => ({
  schemaVersion: '2.2',
  parameters: { Generation: parameter },
  mainSteps: [{ action: 'aws:runShellScript', name: 'ring', inputs: { runCommand: [command] } }],
});
const ring = parseDocument(
  'ring',
  content({ type: 'String', allowedPattern: '^[0-9]+$', interpolationType: 'ENV_VAR' }),
);

function createSsmAccount() {
  const clock = { now: 0 };
  let ids = 0;
  const ssm = createSsm({ now: () => clock.now, newId: () => `c${ids++}`, documents: [ring] });
  const send = (generation = '1', timeoutSeconds = 60) =>
    ssm.sendCommand({
      documentName: 'ring',
      instanceIds: ['i-1'],
      parameters: { Generation: [generation] },
      timeoutSeconds,
    }).commandId;
  return { ssm, clock, send };
}
const refusal = (code: string) => expect.objectContaining({ code });

test('a command reaches an agent that is online, once, with its parameter as an environment variable', () => {
  const { ssm, send } = createSsmAccount();
  ssm.agentUp('i-1');
  const id = send('12');
  expect(ssm.takeDue()).toEqual([
    expect.objectContaining({
      commandId: id,
      instanceId: 'i-1',
      environment: { SSM_Generation: '12', SSM_COMMAND_ID: id },
    }),
  ]);
  expect(ssm.takeDue()).toEqual([]);
  ssm.finish(id, 'i-1', { code: 3, stdout: 'out', stderr: 'err' });
  expect(ssm.getInvocation(id, 'i-1')).toMatchObject({ status: 'Failed', responseCode: 3, stdout: 'out' });
});

test('a node that never registered or is gone is refused; one that is off gets the command later, or not in time', () => {
  const { ssm, clock, send } = createSsmAccount();
  expect(() => send()).toThrow(refusal('InvalidInstanceId'));
  ssm.agentUp('i-1');
  ssm.agentDown('i-1');
  const late = send('1', 30);
  const patient = send('2', 300);
  expect(ssm.takeDue()).toEqual([]);
  clock.now += 30_000;
  ssm.agentUp('i-1');
  expect(ssm.takeDue().map(({ commandId }) => commandId)).toEqual([patient]);
  expect(ssm.getInvocation(late, 'i-1')).toMatchObject({
    status: 'TimedOut',
    statusDetails: 'Delivery Timed Out',
  });
  ssm.nodeGone('i-1');
  expect(() => send()).toThrow(refusal('InvalidInstanceId'));
});

test('five commands run on a node at once, the sixth waits', () => {
  const { ssm, send } = createSsmAccount();
  ssm.agentUp('i-1');
  const ids = ['1', '2', '3', '4', '5', '6'].map((generation) => send(generation));
  expect(ssm.takeDue()).toHaveLength(5);
  ssm.finish(ids[0] ?? '', 'i-1', { code: 0, stdout: '', stderr: '' });
  expect(ssm.takeDue().map(({ commandId }) => commandId)).toEqual([ids[5]]);
});

test('a parameter that the document does not allow never becomes a command', () => {
  const { ssm, send } = createSsmAccount();
  ssm.agentUp('i-1');
  for (const bad of ['1;reboot', '', '$(id)']) expect(() => send(bad)).toThrow(refusal('InvalidParameters'));
  const wrong = (parameters: Record<string, string[]>) => () =>
    ssm.sendCommand({ documentName: 'ring', instanceIds: ['i-1'], parameters });
  expect(wrong({})).toThrow(refusal('InvalidParameters'));
  expect(wrong({ Generation: ['1'], Other: ['x'] })).toThrow(refusal('InvalidParameters'));
  expect(ssm.takeDue()).toEqual([]);
});

test('a document that would paste a parameter into the shell is refused', () => {
  expect(() => parseDocument('ring', content({ type: 'String' }, 'eph-agent ring {{ Generation }}'))).toThrow(
    /SSM document ring: .*interpolationType/,
  );
});

test('a lost command stays pending until it times out', () => {
  const { ssm, clock, send } = createSsmAccount();
  ssm.agentUp('i-1');
  ssm.knobs.loseCommands = 1;
  const id = send();
  expect(ssm.takeDue()).toEqual([]);
  clock.now += 60_000;
  expect(ssm.getInvocation(id, 'i-1').status).toBe('TimedOut');
});

test('parameters have versions, pages and a size', () => {
  const { ssm } = createSsmAccount();
  const { parameters } = ssm;
  for (let n = 0; n < 12; n += 1)
    parameters.put({ name: `/eph/local/p${n}`, type: 'String', value: String(n) });
  expect(() => parameters.put({ name: '/eph/local/p0', type: 'String', value: 'x' })).toThrow(
    refusal('ParameterAlreadyExists'),
  );
  expect(parameters.put({ name: '/eph/local/p0', value: 'x', overwrite: true }).version).toBe(2);
  expect(() => parameters.put({ name: '/eph/big', type: 'String', value: 'x'.repeat(4097) })).toThrow(
    refusal('ValidationException'),
  );
  const page = { path: '/eph', recursive: true, withDecryption: true };
  const first = parameters.byPath(page);
  expect(first.parameters).toHaveLength(10);
  expect(parameters.byPath({ ...page, nextToken: first.nextToken }).parameters).toHaveLength(2);
  expect(parameters.byPath({ ...page, recursive: false }).parameters).toEqual([]);
  expect(parameters.getMany(['/eph/local/p1', '/none'], true)).toMatchObject({
    parameters: [{ value: '1' }],
    invalid: ['/none'],
  });
});
