import { settingNames } from '../infra/settings/settings-table.ts';
import { failureText } from '../scripts/terminal/failure-text.ts';
import { variableProblems } from './variables/variable-problems.ts';

/**
 * `make` starts this before anything else where a variable was typed that it does not know: a setting is accepted,
 * for any other variable this prints what was probably meant.
 */
const wordsOf = (name: string) => (process.env[name] ?? '').split(' ').filter(Boolean);
const typed = wordsOf('EPH_DOUBTFUL').map((name) => ({ name, value: process.env[name] ?? '' }));
const known = {
  variables: wordsOf('EPH_VARIABLES'),
  flags: wordsOf('EPH_FLAGS'),
  settings: settingNames,
};
const problems = variableProblems(typed, known);
if (problems.length > 0) {
  const fix =
    'make help names them, .env.example has the settings. What another program reads goes in front: NAME=value make ...';
  console.error(failureText({ message: problems.join('\n  '), fix }));
  process.exitCode = 2;
}
