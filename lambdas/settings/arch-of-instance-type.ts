import type { Arch } from '#core/preview-config';

/** Graviton families have a `g` after their generation: t4g, c7gn, m8gd. */
export function archOfInstanceType(instanceType: string): Arch {
  return /^[a-z]+\d+g/.test(instanceType) ? 'arm64' : 'amd64';
}
