import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { nearestName } from '#core/nearest-name';
import { OperatorError } from '../terminal/operator-error.ts';
import { settingNames } from './settings-table.ts';

/** A name that differs in more letters is another variable that happens to be in the file. */
const MOST_WRONG = 2;

/** An unknown name would be ignored, and the default used instead. @throws OperatorError */
export async function refuseMisspelt(envFile: string): Promise<void> {
  const text = await readFile(envFile, 'utf8').catch(() => '');
  const problems = Object.keys(parseEnv(text)).flatMap((name) => {
    if (settingNames.includes(name)) return [];
    const meant = nearestName(name, settingNames, MOST_WRONG);
    return meant ? [`  ${name}: did you mean ${meant}?`] : [];
  });
  if (problems.length === 0) return;
  throw new OperatorError(
    `${envFile} has names that are no settings:\n${problems.join('\n')}`,
    '.env.example has all of them.',
  );
}
