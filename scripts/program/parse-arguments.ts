import type { Command as Parser } from 'commander';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import { buildProgram, optionWord, type Program, Shown, settingsFile, type Words } from './build-program.ts';
import type { Command } from './command.ts';
import type { Input } from './input.ts';

/** The request in a line of words. `text`: the help or version, which the program prints itself. */
export type Asked =
  | { is: 'text'; text: string }
  | { is: 'mistake'; mistake: UsageError; text: string }
  | { is: 'command'; command: Command; values: Record<string, unknown>; envFile: string | undefined };

/** A pure function: it does nothing and writes nothing. `help pause` is `pause --help`. */
export function parseArguments(program: Program, words: readonly string[], width = 100): Asked {
  const shown: string[] = [];
  let asked: Asked | undefined;
  const root = buildProgram(
    program,
    width,
    (text) => shown.push(text),
    (command, typed) => {
      const envFile = readInput(settingsFile, optionWord(root.opts(), settingsFile), fixOf(program, command));
      asked = { is: 'command', command, values: valuesOf(program, command, typed), envFile };
    },
  );
  try {
    root.parse(withoutIdleHelp(root, helpBehind(words)), { from: 'user' });
  } catch (error) {
    const text = shown.join('');
    if (error instanceof Shown) return { is: 'text', text };
    if (error instanceof UsageError) return { is: 'mistake', mistake: error, text };
    throw error;
  }
  if (asked) return asked;
  throw new Error(`${words.join(' ')} is neither a command nor a mistake`);
}

function valuesOf(program: Program, command: Command, typed: Words): Record<string, unknown> {
  const fix = fixOf(program, command);
  return Object.fromEntries(
    Object.entries(command.inputs).map(([name, input]) => [name, readInput(input, typed(input), fix)]),
  );
}

function fixOf(program: Program, command: Command): string {
  return `${program.typed} ${command.name} --help has an example.`;
}

/** An empty option mostly comes from a variable of the shell that is not set: `--env "$FILE"`. */
function readInput<V>(input: Input<V>, word: string | undefined, fix: string): V {
  if (input.required && !word) throw new UsageError(`missing required argument '${input.usage}'`, fix);
  const [name] = input.usage.split(' ');
  if (input.is === 'option' && word === '') throw new UsageError(`${name} is empty`, fix);
  try {
    return input.read(word);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${name}: ${error.message}`, error.fix ?? fix);
  }
}

const isHelp = (word: string) => word === '--help' || word === '-h';

/** `help pause` and `--help pause` are `pause --help`. */
function helpBehind(words: readonly string[]): readonly string[] {
  const [first = 'help', ...rest] = words;
  if (first !== 'help' && !isHelp(first)) return words;
  return [...rest.filter((word, at) => at > 0 || word !== 'help'), '--help'];
}

/**
 * With --help, commander shows the help of the last command that it knows, and ignores the rest: `paus --help` would
 * look as if such a command existed. Without --help it says what is wrong.
 */
function withoutIdleHelp(root: Parser, words: readonly string[]): readonly string[] {
  if (!words.some(isHelp)) return words;
  let at = root;
  const names = words.filter((word, place) => !word.startsWith('-') && words[place - 1] !== '--env');
  for (const word of names) {
    if (at.commands.length === 0) break;
    const next = at.commands.find((one) => one.name() === word);
    if (!next) return words.filter((one) => !isHelp(one));
    at = next;
  }
  return words;
}
