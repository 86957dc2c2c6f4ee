import type { Arch } from '#core/preview-config';

/** The families up to the size at which a preview stops being cheap. */
const families: Record<Arch, { small: readonly string[]; large: readonly string[] }> = {
  amd64: { small: ['t3', 't3a'], large: ['m7i', 'c7i', 'r7i'] },
  arm64: { small: ['t4g'], large: ['m7g', 'c7g', 'r7g'] },
};
const typesOf = ({ small, large }: (typeof families)[Arch]) => [
  ...['micro', 'small', 'medium', 'large', 'xlarge', '2xlarge'].flatMap((size) =>
    small.map((family) => `${family}.${size}`),
  ),
  ...['large', 'xlarge', '2xlarge'].flatMap((size) => large.map((family) => `${family}.${size}`)),
];
export const instanceTypes = [...typesOf(families.amd64), ...typesOf(families.arm64)];
export const instanceTypeMessage =
  'an instance type like `t3.small` (t3, t3a: micro to 2xlarge; m7i, c7i, r7i: large to 2xlarge; Arm: t4g, m7g, c7g, r7g)';
