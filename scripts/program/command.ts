import type { Deployment } from '../../infra/deploy/deployment.ts';
import type { Environment } from '../../infra/settings/env-file.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import type { Input } from './input.ts';

/** What every command gets besides the typed words. */
export interface Context {
  terminal: Terminal;
  /** The shell's variables, with the settings file in EPH_ENV_FILE. */
  environment: Environment;
  /** @throws OperatorError that lists what is wrong with the settings */
  open(): Promise<Deployment>;
  /**
   * Like `open`, if its Worker does not belong to a deployment in another AWS account or region. @throws
   * OperatorError
   */
  openOwn(): Promise<Deployment>;
}

export type Inputs = Record<string, Input<unknown>>;
export type Values<I extends Inputs> = { [Name in keyof I]: I[Name] extends Input<infer V> ? V : never };

/** Everything about a command except its code. */
interface Description {
  /** One word, or a noun and what is done with it: `secret set`. */
  name: string;
  /** The heading under which the list of all commands shows it. */
  group: string;
  /** What it does, in one line. */
  summary: string;
  /** Further facts to know before it is run. */
  about?: string;
  /** The words after the program's name: `pause --sleep`. */
  examples: readonly string[];
  /** The target of make that does the same, if there is one. */
  make?: string;
  /** The command to run next. */
  next?: string;
}

export interface Command extends Description {
  inputs: Inputs;
  /** @returns an exit code of its own; undefined means 0 */
  run(context: Context, values: Record<string, unknown>): Promise<number | undefined>;
}

/** Defines one command. `run` gets the values that its inputs read, each with its type. */
export function defineCommand<I extends Inputs>(
  command: Description & {
    /** Arguments in their order, and options. */
    inputs: I;
    run(context: Context, values: Values<I>): Promise<number | undefined>;
  },
): Command {
  // `parseArguments` reads a value for each of these inputs, with the input itself; no type can express that for a
  // record.
  return { ...command, run: (context, values) => command.run(context, values as Values<I>) };
}
