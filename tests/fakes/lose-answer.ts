import type { Story } from './story.ts';

/** The n-th call of that name has no answer; it takes effect when `comeTrue` is called. */
export function loseAnswer({ platform }: Story, name: string, nth = 1): { comeTrue(): Promise<void> } {
  let count = 0;
  let late: (() => Promise<unknown>) | undefined;
  platform.watch = async (call, perform) => {
    if (call !== name) return perform();
    count += 1;
    if (count !== nth) return perform();
    late = perform;
    throw new Error('the connection was reset');
  };
  return {
    async comeTrue() {
      platform.watch = undefined;
      if (!late) throw new Error(`${name} was not called so often`);
      await late();
    },
  };
}
