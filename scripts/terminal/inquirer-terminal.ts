import { text as readAll } from 'node:stream/consumers';
import { confirm, input, password, select } from '@inquirer/prompts';
import { envFileOf } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Outcome, Question, Terminal } from '../../infra/terminal/terminal.ts';
import { printable } from './printable.ts';

const signs: Record<Outcome, string> = { done: '✓', planned: '~', warning: '!', failed: '✗', skipped: '-' };
const colours: Record<Outcome, number> = { done: 32, planned: 36, warning: 33, failed: 31, skipped: 90 };

/** In a log, a progress line within this time of the last one is not printed. */
const QUIET_MS = 1_000;

/**
 * A real terminal. A value set in `environment` answers its question; where nobody can be asked, `environment` must
 * answer all of them. Every text may quote other people, so all of it goes through `printable`.
 */
export function inquirerTerminal(environment: Record<string, string | undefined>): Terminal {
  const interactive = Boolean(process.stdin.isTTY && process.stdout.isTTY && environment['CI'] !== 'true');
  const coloured = Boolean(process.stdout.isTTY) && !environment['NO_COLOR'];
  const paint = (code: number, line: string) => (coloured ? `\u001b[${code}m${line}\u001b[0m` : line);

  /**
   * A setting that is set is not asked for; a wrong value is an error and not a question, because somebody relies on
   * it.
   */
  async function answered({ name, check }: Question): Promise<string | undefined> {
    const given = environment[name];
    if (!given) return undefined;
    const problem = await check?.(given);
    if (problem)
      throw new OperatorError(`${name}: ${problem}`, `Set ${name} right, or leave it empty to be asked.`);
    return given;
  }

  const verdictOf =
    ({ check }: Pick<Question, 'check'>) =>
    async (answer: string) =>
      printable((await check?.(answer)) ?? '') || true;

  const nobody = (name: string, text: string) =>
    new OperatorError(
      `${name} is not set, and nobody can be asked here: ${text}`,
      `Set ${name} in ${envFileOf(environment)} or in the environment.`,
    );

  return {
    interactive,
    print: (line = '') => console.log(printable(line)),
    heading: (title) => console.log(`\n${paint(1, printable(title))}`),
    mark(outcome, text, fix) {
      console.log(`${paint(colours[outcome], signs[outcome])} ${printable(text)}`);
      if (fix) for (const line of printable(fix).split('\n')) console.log(`  ${paint(90, '→')} ${line}`);
    },
    async ask(question) {
      const given = await answered(question);
      if (given !== undefined) return given;
      if (!interactive) {
        if (question.preset !== undefined) return question.preset;
        throw nobody(question.name, question.text);
      }
      return input({
        message: printable(question.text),
        ...(question.preset === undefined ? {} : { default: printable(question.preset) }),
        validate: verdictOf(question),
      });
    },
    async askSecret(question) {
      const given = await answered(question);
      if (given !== undefined) return given;
      if (interactive) {
        return password({
          message: printable(question.text),
          mask: '•',
          validate: verdictOf(question),
        });
      }
      const piped = process.stdin.isTTY ? '' : (await readAll(process.stdin)).trim();
      if (!piped) {
        throw new OperatorError(
          `${question.name} is not given, and nobody can be asked here: ${question.text}`,
          `Pipe it in, or set ${question.name} for this one command. It is a secret: not in the settings file.`,
        );
      }
      const problem = await question.check?.(piped);
      if (problem) throw new OperatorError(`${question.name}, from standard input: ${problem}`);
      return piped;
    },
    confirm: async (message, assumed) =>
      interactive ? confirm({ message: printable(message), default: assumed }) : assumed,
    async choose(message, name, choices) {
      const given = environment[name];
      const chosen = choices.find((choice) => choice.name === given);
      if (chosen) return chosen.value;
      const names = choices.map((choice) => choice.name).join(', ');
      if (given) throw new OperatorError(`${name} is "${given}", but must be one of ${names}.`);
      if (!interactive) throw nobody(name, `${message} (${names})`);
      return select({
        message: printable(message),
        choices: choices.map(({ label, value }) => ({ name: printable(label), value })),
      });
    },
    async during(label, work) {
      const startedAt = performance.now();
      const live = Boolean(process.stdout.isTTY);
      let saidAt = Number.NEGATIVE_INFINITY;
      const show = (detail: string) => {
        // A line that wraps could not be erased.
        const line = printable(`${label}${detail ? `: ${detail}` : ''}`).slice(
          0,
          (process.stdout.columns || 80) - 3,
        );
        if (live) process.stdout.write(`\r\u001b[2K${paint(90, '…')} ${line}`);
        else if (detail && performance.now() - saidAt >= QUIET_MS) {
          saidAt = performance.now();
          console.log(`  ${printable(detail)}`);
        }
      };
      if (!live) console.log(`… ${printable(label)}`);
      show('');
      try {
        return await work(show);
      } finally {
        if (live) process.stdout.write('\r\u001b[2K');
        const seconds = (performance.now() - startedAt) / 1000;
        if (seconds > 30) console.log(paint(90, `  ${printable(label)} took ${Math.round(seconds)} s`));
      }
    },
  };
}
