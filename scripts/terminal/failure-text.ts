import { styleText } from 'node:util';
import { printable } from './printable.ts';

/** As `terminal.mark` shows what failed, for stderr. A word that is too long for any screen, as somebody may type it, is cut. */
export function failureText({ message, fix }: { message: string; fix?: string | undefined }): string {
  const sign = styleText('red', '✗', { stream: process.stderr });
  const said = printable(message).replaceAll(/\S{300,}/g, (word) => `${word.slice(0, 60)}...`);
  const todo = fix ? printable(fix).split('\n') : [];
  return [`${sign} ${said}`, ...todo.map((line) => `  → ${line}`)].join('\n');
}
