import { afterEach, describe, expect, it } from 'vitest';
import {
  exitCode,
  explainCommand,
  failedStep,
  PATTERN_LINE,
  PATTERN_LINES,
} from '../../host/explain-failure.ts';
import { knownErrors } from '../../host/known-errors.ts';
import { countSteps } from './count-steps.ts';

const rows = [...new Set(Object.values(knownErrors).flat())];
const patterns = [...new Set([...rows.map((row) => row.pattern), failedStep, exitCode])];
const stages = ['planning', 'pulling', 'building', 'starting'] as const;

/** The length of a hostile line: long enough to distinguish a linear pattern from others. */
const LENGTH = 300;

/** The words of a pattern, in its order: these words repeated are its worst text. */
function wordsOf(pattern: RegExp): string[] {
  const words = pattern.source.match(/(?:[\w :",'-]|\\[./[\]])+/g) ?? [];
  return words.map((word) => word.replace(/\\/g, '')).filter((word) => word.length > 1);
}

function hostileLines(pattern: RegExp): string[] {
  const words = wordsOf(pattern);
  const units = [
    'a',
    ' ',
    'a:',
    'a/',
    'a.',
    '"',
    ',',
    ': ',
    '1',
    'a ',
    ...words,
    words.join(''),
    words.join('x'),
  ];
  const starts = ['', ...words, ...words.map((word) => `${word}"`)];
  return starts.flatMap((start) =>
    units.map((unit) => (start + unit.repeat(LENGTH)).slice(0, LENGTH - 1).concat('\u0001')),
  );
}

describe('what is looked for in the output of a failed command', () => {
  const watched: RegExp[] = [];
  afterEach(() => {
    for (const pattern of watched.splice(0)) Reflect.deleteProperty(pattern, 'exec');
  });

  it.each<[string, string]>([
    ['200 KB without a space', 'x'.repeat(200_000)],
    ['200 KB of spaces', ' '.repeat(200_000)],
    ['100,000 lines', 'open x: y\n'.repeat(100_000)],
  ])('is looked for in so many lines of such a length, whatever is printed: %s', (_, output) => {
    const seen = { calls: 0, longest: 0 };
    for (const pattern of patterns) {
      watched.push(pattern);
      pattern.exec = (text: string) => {
        seen.calls++;
        seen.longest = Math.max(seen.longest, text.length);
        return RegExp.prototype.exec.call(pattern, text);
      };
    }
    for (const stage of stages) {
      seen.calls = 0;
      explainCommand({ stage, output, root: '/checkout' });
      expect(seen.calls).toBeGreaterThan(0);
      // A row's own pattern, and the step's and its code.
      expect(seen.calls).toBeLessThanOrEqual((knownErrors[stage].length + 3) * PATTERN_LINES);
      expect(seen.longest).toBeLessThanOrEqual(PATTERN_LINE);
    }
  });

  it('is found at both ends of a line that is too long', () => {
    const long = `failed to solve: process "/bin/sh -c ${'x'.repeat(5_000)}" did not complete successfully: exit code: 3`;
    expect(explainCommand({ stage: 'building', output: long, root: '/' }).sentence).toBe(
      'The build failed with exit code 3.',
    );
  });

  it.each(patterns.map((pattern) => [pattern]))(
    'takes a few steps for each character of the worst lines: %s',
    (pattern) => {
      // Linear ones need 1 to 25 steps a character; one that goes over the line from each place of it, over 150.
      const most = 40 * LENGTH;
      for (const line of hostileLines(pattern)) {
        const { steps, matched } = countSteps(pattern, line);
        expect(steps, line.slice(0, 80)).toBeLessThanOrEqual(most);
        expect(matched, line.slice(0, 80)).toBe(new RegExp(pattern.source, pattern.flags).test(line));
      }
    },
  );

  it('is counted correctly: slow patterns are found', () => {
    expect(countSteps(/(?:a+)+b/, 'a'.repeat(14)).steps).toBeGreaterThan(10_000);
    expect(countSteps(/(\S+): not found/, 'a'.repeat(LENGTH)).steps).toBeGreaterThan(40 * LENGTH);
    expect(countSteps(/ab/, 'a'.repeat(1_000)).steps).toBeLessThan(3_000);
  });
});
