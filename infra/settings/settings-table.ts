import { functionSettings } from '#settings/function-settings';
import type { Section, Setting, SettingsTable } from '#settings/setting';
import { awsSettings } from './aws-settings.ts';
import { commandSettings } from './command-settings.ts';
import { shellSettings } from './shell-settings.ts';
import { stackOnlySettings } from './stack-only-settings.ts';

/**
 * Who reads a setting. `stack`: the CDK app, when the template is made. `functions`: the Lambda functions; the stack
 * passes the setting to them. `commands`: only the commands behind make, which read the settings of the stack too.
 * `aws`: the SDK, CDK and Packer.
 */
export type Reader = 'stack' | 'functions' | 'commands' | 'aws';

export interface SettingsLine extends Setting {
  name: string;
  readBy: readonly Reader[];
}

/** The titles in the order of the documents. */
export const sectionTitles: Readonly<Record<Section, string>> = {
  deployment: 'The deployment',
  repositories: 'Repositories',
  addresses: 'Addresses and Cloudflare',
  'sign-in': 'Sign-in',
  github: 'GitHub',
  hosts: 'Hosts',
  limits: 'Times and limits',
  network: 'Network',
  company: 'Rules of a company',
  alarms: 'Alarms',
};

/**
 * Every setting of a deployment. The parsers take their rules from it, the stack takes from it what it passes to the
 * functions, and `make settings` writes `.env.example` and `docs/settings.md`. A setting is added to the part that
 * says who reads it.
 */
export const settingsTable: readonly SettingsLine[] = [
  ...linesOf(functionSettings, ['stack', 'functions']),
  ...linesOf(stackOnlySettings, ['stack']),
  ...linesOf(commandSettings, ['commands']),
  ...linesOf(awsSettings, ['aws']),
  ...linesOf(shellSettings, ['commands']),
];

export const settingNames: readonly string[] = settingsTable.map(({ name }) => name);

function linesOf(part: SettingsTable, readBy: readonly Reader[]): SettingsLine[] {
  return Object.entries(part).map(([name, setting]) => ({ name, readBy, ...setting }));
}

export type Need = 'by you' | 'by setup' | 'by a deploy' | 'if you like';

/** Whether a value must be set before a deploy, and who sets it. */
export function givenBy({ foundBy, default: preset, defaultFrom, optional }: Setting): Need {
  if (foundBy === 'deploy') return 'by a deploy';
  if (preset !== undefined || defaultFrom !== undefined || optional) return 'if you like';
  return foundBy === 'setup' ? 'by setup' : 'by you';
}
