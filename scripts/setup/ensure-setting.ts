import { type Environment, writeSetting } from '../../infra/settings/env-file.ts';
import type { Question, Terminal } from '../../infra/terminal/terminal.ts';

/** Asks only if the file has no valid answer. @returns the answer */
export async function ensureSetting(
  terminal: Terminal,
  envFile: string,
  settings: Environment,
  question: Question,
): Promise<string> {
  const { name } = question;
  const there = settings[name];
  if (there && !(await question.check?.(there))) {
    terminal.mark('skipped', `${name} is ${there}`);
    return there;
  }
  const answer = await terminal.ask(question);
  await writeSetting(envFile, name, answer);
  return answer;
}
