/**
 * The person at the keyboard, or the log of a pipeline without a person. Everything that an operator's command prints
 * or asks goes through here, so that it can be tested without a terminal.
 *
 * Secrets are asked with `askSecret` and never printed.
 */
export interface Terminal {
  /** Whether a person can be asked. Otherwise every answer must come from a setting. */
  readonly interactive: boolean;
  print(line?: string): void;
  heading(title: string): void;
  /** One line with its outcome in front; `fix` on the line below. */
  mark(outcome: Outcome, text: string, fix?: string): void;
  /**
   * Asks until `check` accepts the answer. `name` is the setting that answers the question where nobody can be asked.
   * @throws OperatorError that names the setting when it is not set and nobody can be asked, or is set wrongly
   */
  ask(question: Question): Promise<string>;
  /**
   * Like `ask`, without showing what is typed; the answer comes from `name` or standard input where nobody can be
   * asked.
   */
  askSecret(question: Omit<Question, 'preset'>): Promise<string>;
  /** `assumed` is the answer where nobody can be asked. */
  confirm(text: string, assumed: boolean): Promise<boolean>;
  choose<T>(text: string, name: string, choices: readonly Choice<T>[]): Promise<T>;
  /** Shows that something is under way, and how far it is; resolves or rejects with `work`. */
  during<T>(label: string, work: (progress: (detail: string) => void) => Promise<T>): Promise<T>;
}

/** `planned` marks what would be done. */
export type Outcome = 'done' | 'planned' | 'warning' | 'failed' | 'skipped';

export interface Question {
  /** The variable that holds the answer: `PREVIEW_ZONE`. */
  name: string;
  text: string;
  /** The answer when nothing is typed. */
  preset?: string;
  /** Undefined if the answer is right; otherwise what is wrong with it, as a sentence. May ask the vendor. */
  check?(answer: string): Promise<string | undefined> | string | undefined;
}

export interface Choice<T> {
  label: string;
  /** The name of the setting. */
  name: string;
  value: T;
}
