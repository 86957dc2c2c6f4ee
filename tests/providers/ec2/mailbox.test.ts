import * as v from 'valibot';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { MAX_LOG_BYTES, MAX_LOG_LINES } from '#core/limits';
import type * as neutral from '#core/report';
import { type Progress, type Result, resultSchema } from '../../../lambdas/providers/ec2/mailbox.ts';

function logOf(log: string[]): string[] | undefined {
  const failure = { code: 'exit', sentence: 'It ended.', log };
  const rest = { generation: 1, sha: 'a'.repeat(40), at: 1, services: [], warnings: [], timings: {} };
  return v.parse(resultSchema, { v: 1, outcome: 'failed', failure, ...rest }).failure?.log;
}

describe('the log of a failure', () => {
  it('is its last lines, up to a limit', () => {
    const lines = Array.from({ length: MAX_LOG_LINES + 5 }, (_, n) => `line ${n}`);
    expect(logOf(lines)).toEqual(lines.slice(-MAX_LOG_LINES));
    expect(logOf(lines.slice(0, 3))).toEqual(lines.slice(0, 3));
    expect(logOf([])).toEqual([]);
  });

  it('has as many of the last lines as fit', () => {
    const lines = Array.from({ length: 20 }, (_, n) => String(n).padEnd(1_023, '.'));
    expect(logOf(lines)).toEqual(lines.slice(-MAX_LOG_BYTES / 1_024));
  });
});

describe('what a host on EC2 reports', () => {
  it('is passed to the core in its own form', () => {
    expectTypeOf<Progress>().toExtend<neutral.Progress>();
    expectTypeOf<Result>().toExtend<neutral.Result>();
  });
});
