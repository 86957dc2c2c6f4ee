/**
 * The person at the keyboard, or the log of a pipeline where nobody is. Everything that a command of the
 * operator says or asks goes through here, so that it can be tested without a terminal.
 *
 * Secrets are asked with `askSecret` and never said.
 */
export interface Terminal {
  /** Somebody can be asked. Otherwise every answer must come from a setting. */
  readonly interactive: boolean;
  say(line?: string): void;
  heading(title: string): void;
  /** One line with its outcome in front; `fix` on the line below. */
  mark(outcome: Outcome, text: string, fix?: string): void;
  /**
   * Until `check` is content. `name` is the setting that answers the question where nobody can be asked.
   * @throws OperatorError that names the setting when it is not set and nobody can be asked, or is set wrongly
   */
  ask(question: Question): Promise<string>;
  /** As `ask`, without showing what is typed; from `name` or standard input where nobody can be asked. */
  askSecret(question: Omit<Question, 'preset'>): Promise<string>;
  /** `assumed` is the answer where nobody can be asked. */
  confirm(text: string, assumed: boolean): Promise<boolean>;
  choose<T>(text: string, name: string, choices: readonly Choice<T>[]): Promise<T>;
  /** Shows that something is under way, and how far it is; resolves or rejects with `work`. */
  during<T>(label: string, work: (progress: (detail: string) => void) => Promise<T>): Promise<T>;
}

/** `planned`: what would be done. */
export type Outcome = 'done' | 'planned' | 'warning' | 'failed' | 'skipped';

export interface Question {
  /** Variable that holds the answer: `PREVIEW_ZONE`. */
  name: string;
  text: string;
  /** Taken when nothing is typed. */
  preset?: string;
  /** Undefined: fine. Otherwise what is wrong with it, as a sentence. May ask the vendor. */
  check?(answer: string): Promise<string | undefined> | string | undefined;
}

export interface Choice<T> {
  label: string;
  /** What the setting is given as. */
  name: string;
  value: T;
}
