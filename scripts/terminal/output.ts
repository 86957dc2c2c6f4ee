/**
 * For text that the program prints before there is a `Terminal`: its help is data, an error in the words is not.
 * It uses the console, which does not fail when the reader of a pipe has ended: `| head -1`.
 */
export const output = {
  /** Wider lines are no easier to read. */
  width: Math.min(process.stdout.columns ?? 100, 100),
  out: (text: string): void => console.log(text.replace(/\n$/, '')),
  err: (text: string): void => console.error(text.replace(/\n$/, '')),
};
