import { Death, type Watch } from './create-control-plane.ts';

/** Ends the process at its call number `at`, before or after its effect. */
export function dieAt(at: number, when: string): Watch {
  let count = 0;
  return async (_call, perform) => {
    count += 1;
    if (count !== at) return perform();
    if (when === 'after') await perform();
    throw new Death();
  };
}
