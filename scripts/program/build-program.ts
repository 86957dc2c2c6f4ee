import { Argument, type CommanderError, Option, Command as Parser } from 'commander';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import type { Command } from './command.ts';
import { type Input, option, text } from './input.ts';

/** An option of every command, before or after its name. */
export const settingsFile = option(
  '--env <file>',
  'Settings file of the deployment (default: EPH_ENV_FILE, else .env)',
  text,
);

/** The table of commands, and the texts around it. */
export interface Program {
  name: string;
  version: string;
  summary: string;
  commands: readonly Command[];
  /** For commands with two words, what the first word is about. */
  nouns: Readonly<Record<string, string>>;
  /** The end of the list of all commands. */
  closing: string;
  /** How the program is started, for sentences that say what to type. */
  typed: string;
}

/** The words of a command, as they were typed, before they are read. */
export type Words = (input: Input<unknown>) => string | undefined;

/**
 * The program as an object of commander, which splits a line of words, suggests the nearest name for an unknown
 * command or flag, and lays out the help.
 *
 * @param width columns of the help
 * @param chosen called with the command that the words name
 * @throws UsageError from `parse`, for words that the program does not know; Shown for its help and version
 */
export function buildProgram(
  program: Program,
  width: number,
  write: (text: string) => void,
  chosen: (command: Command, words: Words) => void,
): Parser {
  const root = parserOf(new Parser(program.name), program.name);
  root.usage('<command> [flags]').addHelpText('before', begin(`${program.summary}.`));
  root.version(program.version, '--version', 'Which version of Eph this is');
  addOption(root, program.name, settingsFile);
  root.addHelpText('after', `\n${program.closing}`);

  for (const command of program.commands) {
    const [first = '', second] = command.name.split(' ');
    if (second === undefined) addCommand(root, first, command);
    else addCommand(nounOf(root, first, command.group), second, command);
  }
  return root;

  /** What the command does is printed before its usage. */
  function begin(sentences: string): string {
    return `${root.createHelp().boxWrap(sentences, width)}\n`;
  }

  function nounOf(parent: Parser, name: string, group: string): Parser {
    const there = parent.commands.find((one) => one.name() === name);
    if (there) return there;
    const about = program.nouns[name] ?? '';
    const noun = parserOf(parent.command(name), `${program.name} ${name}`);
    const verbs = program.commands.flatMap((one) =>
      one.name.startsWith(`${name} `) ? one.name.split(' ')[1] : [],
    );
    noun
      .summary(`${about}: ${verbs.join(', ')}`)
      .usage('<command> [flags]')
      .helpGroup(`${group}:`);
    return noun.addHelpText('before', begin(`${about}.`));
  }

  function addCommand(parent: Parser, word: string, command: Command): void {
    const parser = parserOf(parent.command(word), `${program.name} ${command.name}`);
    const about = command.about === undefined ? '' : `\n\n${command.about}`;
    parser.summary(command.summary).usage(usageOf(command));
    if (parent === root) parser.helpGroup(`${command.group}:`);
    parser
      .addHelpText('before', begin(`${command.summary}.${about}`))
      .addHelpText('after', `\n${closingOf(program.name, command)}`);
    const inputs = Object.values(command.inputs);
    const places = inputs.filter(({ is }) => is === 'argument');
    for (const place of places) parser.addArgument(new Argument(placeOf(place), place.about));
    for (const input of inputs) {
      if (input.is !== 'argument') addOption(parser, `${program.name} ${command.name}`, input);
    }
    parser.action(() => {
      const given = parser.opts();
      chosen(command, (input) =>
        input.is === 'argument' ? parser.args[places.indexOf(input)] : optionWord(given, input),
      );
    });
  }

  /** Of two settings files or ids, commander would take the last one without a word. */
  function addOption(parser: Parser, path: string, input: Input<unknown>): void {
    const built = optionOf(input);
    let isThere = false;
    parser.addOption(built).on(`option:${built.name()}`, () => {
      if (isThere && input.is === 'option') {
        throw new UsageError(`--${built.name()} is typed twice`, `${helpOf(path)} says what there is.`);
      }
      isThere = true;
    });
  }

  function helpOf(path: string): string {
    return [program.typed, ...path.split(' ').slice(1), '--help'].join(' ');
  }

  function parserOf(parser: Parser, path: string): Parser {
    return parser
      .helpCommand(false)
      .optionsGroup('Flags:')
      .helpOption('-h, --help', 'This text')
      .configureHelp({
        showGlobalOptions: true,
        subcommandTerm: (one) => one.name(),
        styleTitle: (title) => title.replace('Options:', 'flags:'),
      })
      .configureOutput({
        writeOut: write,
        writeErr: write,
        outputError: () => undefined,
        getOutHelpWidth: () => width,
        getErrHelpWidth: () => width,
      })
      .exitOverride((error) => {
        throw endOf(error, helpOf(path));
      });
  }
}

/** The help or the version was asked for, and nothing else. */
export class Shown extends Error {}

function endOf(error: CommanderError, help: string): Shown | UsageError {
  if (error.exitCode === 0) return new Shown();
  if (error.code === 'commander.help') return new UsageError('Which command?', `${help} lists them.`);
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const meant = /\((Did you mean .+\?)\)/.exec(rest.join(' '))?.[1];
  return new UsageError(first, [...(meant ? [meant] : []), `${help} says what there is.`].join(' '));
}

function optionOf({ usage, about, preset }: Input<unknown>): Option {
  const built = new Option(usage, about);
  return preset === undefined ? built : built.default(preset, preset);
}

/** The word that was typed; for a flag, its name. */
export function optionWord(given: Record<string, unknown>, input: Input<unknown>): string | undefined {
  const built = optionOf(input);
  const value = given[built.attributeName()];
  if (input.is === 'flag') return value === !built.negate ? input.usage : undefined;
  return typeof value === 'string' ? value : undefined;
}

function usageOf({ inputs }: Command): string {
  const places = Object.values(inputs).filter(({ is }) => is === 'argument');
  return [...places.map(placeOf), '[flags]'].join(' ');
}

/** `<owner/repo>`, or `[owner/repo]` where it may be left out. */
function placeOf({ usage, required }: Input<unknown>): string {
  return required ? `<${usage}>` : `[${usage}]`;
}

function closingOf(program: string, { examples, make, next }: Command): string {
  const lines = [
    `Example${examples.length > 1 ? 's' : ''}:`,
    ...examples.map((one) => `  ${program} ${one}`),
  ];
  if (make) lines.push(`  ${make}`);
  if (next) lines.push('', `Next: ${next}`);
  return lines.join('\n');
}
