import {
  givenBy,
  type SettingsLine,
  sectionTitles,
  settingsTable,
} from '../../infra/settings/settings-table.ts';
import { assumedBy } from './example-file.ts';
import { ofSections } from './of-sections.ts';
import { ruleInWords } from './rule-in-words.ts';

const head = `\
# Settings

The settings of one deployment are lines \`NAME=value\` of its settings file, \`.env\` or the one that \`ENV=<file>\`
names. A variable of the shell wins over the file, and an empty value counts as not set. \`make setup\` makes the file
and asks for what must be set; \`make plan\` and \`make deploy\` refuse a file with a wrong value or a misspelt name and
say what is wrong with it.

**No setting is secret.** Secrets are in Parameter Store, encrypted, below \`/eph/<DEPLOYMENT_ID>\`, where
\`make setup\`, \`make rotate\` and \`make secret\` write them. The variables marked *secret* belong into the shell's
environment, never into a file.

*Read by* says who needs a value: **stack**, when the CloudFormation template is made; **functions**, which the stack
tells; **commands**, the commands behind \`make\` alone; **aws**, its SDK, CDK and Packer.

\`make settings\` writes this page and \`.env.example\` from one table,
[settings-table.ts](../infra/settings/settings-table.ts), which the parsers take their rules from too.
`;

/** `docs/settings.md`. */
export function settingsPage(): string {
  const sections = ofSections(settingsTable).map(({ section, lines }) =>
    [
      `## ${sectionTitles[section]}\n`,
      '| setting | meaning | default | it must be a value that | read by |',
      '|---|---|---|---|---|',
      ...lines.map((line) => `| ${cellsOf(line).map(escapeBars).join(' | ')} |`),
      '',
    ].join('\n'),
  );
  return [head, ...sections].join('\n');
}

function cellsOf(line: SettingsLine): string[] {
  const example = line.example === undefined ? '' : ` Example: \`${line.example}\`.`;
  return [
    `\`${line.name}\`${line.secret ? ' *secret*' : ''}`,
    `${line.meaning}${example}`,
    defaultOf(line),
    plain(ruleInWords(line.rule)),
    line.readBy.join(', '),
  ];
}

function defaultOf(line: SettingsLine): string {
  switch (givenBy(line)) {
    case 'by you':
      return 'must be set';
    case 'by setup':
      return 'must be set; `make setup` finds it out';
    case 'by a deploy':
      return 'not yours to set; a deploy finds it out';
    case 'if you like': {
      const assumed = assumedBy(line);
      return assumed === 'none' ? 'none' : `\`${assumed}\``;
    }
  }
}

/** Escapes the text so that nothing in it is Markdown. */
function plain(text: string): string {
  return text.replaceAll(/[\\`*_<[]/g, '\\$&');
}

function escapeBars(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
