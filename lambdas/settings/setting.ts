import * as v from 'valibot';

/** The subject of a setting; the documents use this order. */
export type Section =
  | 'deployment'
  | 'repositories'
  | 'addresses'
  | 'sign-in'
  | 'github'
  | 'hosts'
  | 'limits'
  | 'network'
  | 'company'
  | 'alarms';

/**
 * A line of the table of settings: all that is known of one setting. The part of the table that contains it shows who
 * reads it. Without `default`, `defaultFrom` and `optional` it must be set.
 */
export interface Setting {
  section: Section;
  /** Whole sentences for the person who fills in the file. */
  meaning: string;
  /** Its messages complete the sentence "it must be a value that ...". */
  rule: v.GenericSchema<string, unknown>;
  example?: string;
  /** The value that is used if none is given, as a person would write it. */
  default?: string;
  /** The same, made from other settings: `<NAME>` stands for the value of NAME. */
  defaultFrom?: string;
  /** Without a given value, none is assumed. */
  optional?: true;
  /** What finds the value if the person does not: `make setup` writes it into the file, a deploy needs no file. */
  foundBy?: 'setup' | 'deploy';
  /** It belongs only into the environment of a command, never into a file. */
  secret?: true;
}

export type SettingsTable = Readonly<Record<string, Setting>>;

type EntryOf<One extends Setting> = One extends { default: string }
  ? v.OptionalSchema<One['rule'], v.InferInput<One['rule']>>
  : One extends { defaultFrom: string } | { optional: true }
    ? v.OptionalSchema<One['rule'], undefined>
    : One['rule'];

/** The argument of `v.object`, so that the types of the values are inferred from the rules of the table. */
export function entriesOf<Table extends SettingsTable>(
  table: Table,
): { [Name in keyof Table]: EntryOf<Table[Name]> };
export function entriesOf(table: SettingsTable): v.ObjectEntries {
  return Object.fromEntries(Object.entries(table).map(([name, setting]) => [name, entryOf(setting)]));
}

function entryOf(setting: Setting): v.GenericSchema {
  if (setting.default !== undefined) return v.optional(setting.rule, setting.default);
  if (setting.defaultFrom !== undefined || setting.optional) return v.optional(setting.rule);
  return setting.rule;
}

/** Fills `-pr.<PREVIEW_ZONE>` with the value of PREVIEW_ZONE. */
export function fillIn(pattern: string, values: Readonly<Record<string, string>>): string {
  return pattern.replaceAll(/<([A-Z_]+)>/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${pattern} needs the value of ${name}.`);
    return value;
  });
}
