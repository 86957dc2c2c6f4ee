/** For what the program itself says, before there is a `Terminal`: its help is data, what is wrong with the words is not. */
export const output = {
  /** Wider lines are no easier to read. */
  width: Math.min(process.stdout.columns ?? 100, 100),
  out: (text: string): void => void process.stdout.write(text),
  err: (text: string): void => void process.stderr.write(text),
};
