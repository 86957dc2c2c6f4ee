import { describe, expect, it } from 'vitest';
import { parsePreviewConfig } from '#core/parse-preview-config';
import { archOfInstanceType } from '#settings/arch-of-instance-type';
import { validateConfig } from '../../../lambdas/providers/ec2/validate-config.ts';

function problemsOf(text: string): string[] {
  const parsed = parsePreviewConfig(text, validateConfig);
  return parsed.ok
    ? []
    : parsed.problems.map(({ line, column, sentence }) => `${line}:${column ?? '-'} ${sentence}`);
}

describe('an eph.yaml on EC2', () => {
  it.each(['t4g.micro', 'm7g.large', 'c7g.xlarge', 'r7g.2xlarge'])('asks for an Arm machine: %s', (type) => {
    expect(problemsOf(`arch: arm64\ninstance_type: ${type}`)).toEqual([]);
    expect(archOfInstanceType(type)).toBe('arm64');
  });

  it.each([
    ['t3.small', 'amd64'],
    ['g5.xlarge', 'amd64'],
    ['c7gn.large', 'arm64'],
    ['m8gd.large', 'arm64'],
  ])('knows that %s is %s', (type, arch) => {
    expect(archOfInstanceType(type)).toBe(arch);
  });

  it.each(['', 'arch: arm64', 'instance_type: t3.small', 'arch: amd64\ninstance_type: r7i.2xlarge'])(
    'is right: %j',
    (text) => {
      expect(problemsOf(text)).toEqual([]);
    },
  );

  it.each([
    [
      'instance_type: t3.smal',
      '1:16 `instance_type` is "t3.smal": expected an instance type like `t3.small` (t3, t3a: micro to 2xlarge; m7i, c7i, r7i: large to 2xlarge; Arm: t4g, m7g, c7g, r7g). Did you mean `t3.small`?',
    ],
    [
      'instance_type: p5.48xlarge',
      '1:16 `instance_type` is "p5.48xlarge": expected an instance type like `t3.small` (t3, t3a: micro to 2xlarge; m7i, c7i, r7i: large to 2xlarge; Arm: t4g, m7g, c7g, r7g).',
    ],
    [
      'instance_type: t4g.small',
      '1:16 `instance_type` is "t4g.small", an Arm machine (Graviton): add `arch: arm64`, or choose one like `t3.small`.',
    ],
    [
      'arch: arm64\ninstance_type: m7i.large',
      '2:16 `instance_type` is "m7i.large", not an Arm machine: with `arch: arm64` choose one like `t4g.small`.',
    ],
    ['arch: aarch64\ninstance_type: t4g.small', '1:7 `arch` is "aarch64": expected `amd64` or `arm64`.'],
    [
      'arch: arm64\ninstance_type: x1.small',
      '2:16 `instance_type` is "x1.small": expected an instance type like `t3.small` (t3, t3a: micro to 2xlarge; m7i, c7i, r7i: large to 2xlarge; Arm: t4g, m7g, c7g, r7g). Did you mean `t3.small`?',
    ],
  ])('names line, key and what was expected: %s', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });
});
