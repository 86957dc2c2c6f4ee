import { afterEach, expect, test, vi } from 'vitest';
import { nextFiring, startSchedule } from '../../../local/aws/schedule.ts';

const at = (text: string) => Date.parse(`2026-11-21T${text}Z`);
const shown = (time: number) => new Date(time).toISOString().slice(11, 16);

test.each([
  ['rate(15 minutes)', '10:07:30', '10:22'],
  ['rate(1 hour)', '10:07:00', '11:07'],
  ['cron(0 * * * ? *)', '10:07:00', '11:00'],
  ['cron(0/15 * * * ? *)', '10:15:00', '10:30'],
  ['cron(30 3,4 * * ? *)', '03:30:00', '04:30'],
])('%s after %s fires at %s', (expression, now, next) => {
  expect(shown(nextFiring(expression, at(now)))).toBe(next);
});

test.each([
  'rate(1 hours)',
  'rate(5 minute)',
  'every day',
  'cron(0 * * *)',
  'cron(0 12 ? * MON *)',
  'cron(a * * * ? *)',
])('%s is refused', (expression) => {
  expect(() => nextFiring(expression, 0)).toThrow(expression);
});

afterEach(() => vi.useRealTimers());

test('a rule fires again and again, also after a failure, with the event EventBridge sends', async () => {
  vi.useFakeTimers({ now: at('10:00:00') });
  const events: unknown[] = [];
  const lines: string[] = [];
  const schedule = startSchedule({
    rules: [
      {
        logicalId: 'Due',
        name: 'due',
        arn: 'arn:rule',
        schedule: 'rate(15 minutes)',
        pattern: undefined,
        enabled: true,
        targets: [{ service: 'lambda', name: 'f', arn: '', input: undefined, transformer: undefined }],
      },
    ],
    now: Date.now,
    region: 'us-east-1',
    accountId: '000000000000',
    invoke: async (_, event) => {
      events.push(event);
      return { ok: false, errorType: 'Error', errorMessage: 'no', durationMs: 1, cold: false };
    },
    send: async () => undefined,
    log: (line) => lines.push(line),
    automatic: true,
  });
  await vi.advanceTimersByTimeAsync(30 * 60_000);
  schedule.close();
  await vi.advanceTimersByTimeAsync(30 * 60_000);
  expect(events).toMatchObject([
    { 'detail-type': 'Scheduled Event', time: '2026-11-21T10:15:00Z', resources: ['arn:rule'] },
    { time: '2026-11-21T10:30:00Z' },
  ]);
  expect(lines).toEqual(['due: Error: no', 'due: Error: no']);
});
