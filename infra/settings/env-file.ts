import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { UsageError } from '../terminal/usage-error.ts';

/**
 * `.env`: the settings of one deployment, as KEY=value lines with comments, kept by people and by
 * `make setup`. Nothing secret is ever written to it.
 */
export type Environment = Record<string, string | undefined>;

const OTHER_FILE = 'ENV=<file> of make, or --env <file>, names another one.';

/** The name of the settings file: `ENV=<file>` of make. */
export function envFileOf(environment: Environment): string {
  return environment['EPH_ENV_FILE'] || '.env';
}

/**
 * What is set in the file and in `environment`; the latter wins, and an empty value counts as not set.
 * @throws UsageError for a file that cannot be read; one that is not there is empty
 */
export async function readEnvFile(file: string, environment: Environment): Promise<Environment> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new UsageError(`The settings file ${file} cannot be read (${error.code}).`, OTHER_FILE);
  });
  if (text.includes('\0')) throw new UsageError(`The settings file ${file} is no text.`, OTHER_FILE);
  const set = Object.entries(environment).filter(([, value]) => value);
  return { ...withoutEmpty(parseEnv(text)), ...Object.fromEntries(set) };
}

/**
 * Sets one variable in the line where the file has it, commented out or not, else at the end; comments stay. The
 * whole file is replaced, so an interruption leaves the old one.
 */
export async function writeSetting(file: string, name: string, value: string): Promise<void> {
  if (/[\r\n]/.test(value)) throw new Error(`The value of ${name} has a line break.`);
  const text = await readFile(file, 'utf8').catch(() => '');
  const line = `${name}=${/[\s#"'\\$`]/.test(value) ? quoted(value) : value}`;
  // Of several lines that set it, the last one counts; a comment only shows a place for it.
  const set = [...text.matchAll(new RegExp(`^(export )?${name} *=.*$`, 'gm'))].at(-1);
  const there = set ?? new RegExp(`^# ?${name}=.*$`, 'm').exec(text);
  const written = there
    ? text.slice(0, there.index) + line + text.slice(there.index + there[0].length)
    : `${text.replace(/\n?$/, '\n')}${line}\n`;
  await writeFile(`${file}.new`, written, { mode: 0o600 });
  await chmod(`${file}.new`, 0o600);
  await rename(`${file}.new`, file);
}

function quoted(value: string): string {
  if (value.includes('"')) return `'${value}'`;
  return `"${value}"`;
}

function withoutEmpty(values: Environment): Environment {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
