import type { Deployment } from '../../infra/deploy/deployment.ts';
import type { Environment } from '../../infra/settings/env-file.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import type { Input } from './input.ts';

/** What every command is given beside what was typed. */
export interface Context {
  terminal: Terminal;
  /** The shell's variables, with the settings file in EPH_ENV_FILE. */
  environment: Environment;
  /** @throws OperatorError that lists what is wrong with the settings */
  open(): Promise<Deployment>;
  /** The same, if its Worker is not that of a deployment in another AWS account or region. @throws OperatorError */
  openOwn(): Promise<Deployment>;
}

export type Inputs = Record<string, Input<unknown>>;
export type Values<I extends Inputs> = { [Name in keyof I]: I[Name] extends Input<infer V> ? V : never };

/** Everything about a command but what it does. */
interface Description {
  /** One word, or a noun and what is done with it: `secret set`. */
  name: string;
  /** Heading of the list of all commands that it is found under. */
  group: string;
  /** What it does, in one line. */
  summary: string;
  /** What else is good to know before it is run. */
  about?: string;
  /** What follows the program's name: `pause --sleep`. */
  examples: readonly string[];
  /** The same as a target of make, if there is one. */
  make?: string;
  /** What comes after it. */
  next?: string;
}

export interface Command extends Description {
  inputs: Inputs;
  /** @returns an exit code of its own; undefined: 0 */
  run(context: Context, values: Record<string, unknown>): Promise<number | undefined>;
}

/** One command, whose `run` is given what its inputs read, each with its type. */
export function defineCommand<I extends Inputs>(
  command: Description & {
    /** Arguments in their order, and options. */
    inputs: I;
    run(context: Context, values: Values<I>): Promise<number | undefined>;
  },
): Command {
  // `parseWords` reads a value for each of these inputs, with the input itself; no type can say that of a record.
  return { ...command, run: (context, values) => command.run(context, values as Values<I>) };
}
