import { describe, expect, it } from 'vitest';
import { groupWarnings } from '../../host/group-warnings.ts';

describe('warnings', () => {
  it('that several services have in common are one line', () => {
    expect(
      groupWarnings([
        '`a` runs privileged.',
        'Something else.',
        '`b` runs privileged.',
        '`a` runs privileged.',
      ]),
    ).toEqual(['`a`, `b`: each runs privileged.', 'Something else.']);
  });

  it('name five services at most', () => {
    const many = Array.from({ length: 30 }, (_, index) => `\`s${index}\` runs privileged.`);
    expect(groupWarnings(many)).toEqual(['`s0`, `s1`, `s2`, `s3`, `s4` and 25 more: each runs privileged.']);
  });

  it('are ten lines at most, and the last says how many are left out', () => {
    const warnings = Array.from({ length: 14 }, (_, index) => `Warning ${index}.`);
    const lines = groupWarnings(warnings);
    expect(lines).toHaveLength(10);
    expect(lines.at(-1)).toBe('5 more warnings are in the log.');
    expect(groupWarnings(warnings.slice(0, 10))).toEqual(warnings.slice(0, 10));
  });
});
