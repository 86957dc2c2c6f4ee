import { styleText } from 'node:util';
import type { UsageError } from '../../infra/terminal/usage-error.ts';
import { printable } from './printable.ts';

/** As `terminal.mark` shows what failed, for stderr. */
export function usageText({ message, fix }: Pick<UsageError, 'message' | 'fix'>): string {
  const sign = styleText('red', '✗', { stream: process.stderr });
  return [`${sign} ${printable(message)}`, ...(fix ? [`  → ${printable(fix)}`] : [])].join('\n');
}
