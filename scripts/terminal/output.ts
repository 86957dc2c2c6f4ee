/**
 * For what the program itself says, before there is a `Terminal`: its help is data, what is wrong with the words is not.
 * Through the console, which takes it well when the reader has gone: `| head -1`.
 */
export const output = {
  /** Wider lines are no easier to read. */
  width: Math.min(process.stdout.columns ?? 100, 100),
  out: (text: string): void => console.log(text.replace(/\n$/, '')),
  err: (text: string): void => console.error(text.replace(/\n$/, '')),
};
