import { expect, it } from 'vitest';
import { variableProblems } from '../../../dev/variables/variable-problems.ts';

const known = { variables: ['SLEEP', 'REPO'], flags: ['SLEEP'], settings: ['HOST_IMAGE'] };
const problems = (name: string, value = '1') => variableProblems([{ name, value }], known);

it('knows variables of make and settings', () => {
  expect([...problems('REPO', 'acme/shop'), ...problems('HOST_IMAGE', 'stock')]).toEqual([]);
});

it('says what was probably meant', () => {
  expect(problems('SLEPE')).toEqual(['There is no variable SLEPE. Did you mean SLEEP?']);
  expect(problems('HOST_IMGAE')).toEqual(['There is no variable HOST_IMGAE. Did you mean HOST_IMAGE?']);
  expect(problems('TEA')).toEqual(['There is no variable TEA.']);
});

it('accepts only a clear yes or no for a flag', () => {
  expect([...problems('SLEEP', '1'), ...problems('SLEEP', '0'), ...problems('SLEEP', '')]).toEqual([]);
  expect(problems('SLEEP', 'yes')).toEqual(['SLEEP=yes: SLEEP is 1, or 0, or left out.']);
});
