import {
  givenBy,
  type Need,
  type SettingsLine,
  sectionTitles,
  settingsTable,
} from '../../infra/settings/settings-table.ts';
import { ofSections } from './of-sections.ts';

const WIDTH = 118;

const head = `\
# Settings of one deployment. \`make setup\` copies this file to .env and fills it in with you; \`ENV=<file>\` on any make
# target takes another file. Nothing here is secret: secrets are kept encrypted in AWS Parameter Store.
#
# Read by: stack = when the CloudFormation template is made. functions = the Lambda functions, which the stack tells.
# commands = only the commands behind make. aws = its SDK, CDK and Packer.
#
# \`make settings\` writes this file and docs/settings.md from the table in infra/settings/settings-table.ts.
`;

/** `.env.example`: the required settings come first, and the rest by subject. */
export function exampleFile(): string {
  const lines = settingsTable.filter(({ secret }) => !secret);
  const given = (need: Need) =>
    ofSections(lines.filter((line) => givenBy(line) === need)).flatMap((one) => one.lines);
  const optional = ofSections(lines.filter((line) => givenBy(line) === 'if you like'));
  return [
    head,
    ...group('Must be set; yours to choose.', given('by you')),
    ...group('Must be set; make setup finds them out.', given('by setup')),
    ...optional.flatMap(({ section, lines }) => group(`Optional: ${sectionTitles[section]}.`, lines)),
  ].join('\n');
}

function group(title: string, lines: readonly SettingsLine[]): string[] {
  return [
    `# ---- ${title}\n`,
    ...lines.map((line) => `${comment(line.meaning)}\n# ${factsOf(line)}\n${line.name}=\n`),
  ];
}

function factsOf(line: SettingsLine): string {
  const facts = [
    ...(givenBy(line) === 'if you like' ? [`Default: ${assumedBy(line)}`] : []),
    ...(line.example === undefined ? [] : [`Example: ${line.example}`]),
    `Read by: ${line.readBy.join(', ')}`,
  ];
  return facts.join(' | ');
}

/** The value that is used if nothing is set, as a person would write it. */
export function assumedBy(line: SettingsLine): string {
  return line.default || line.defaultFrom || 'none';
}

function comment(text: string): string {
  const rows: string[] = [];
  let row = '#';
  for (const word of text.split(' ')) {
    if (row.length + 1 + word.length > WIDTH) {
      rows.push(row);
      row = '#';
    }
    row += ` ${word}`;
  }
  return [...rows, row].join('\n');
}
