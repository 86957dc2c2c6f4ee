import type { Outcome } from '../../infra/terminal/terminal.ts';

/** The result of one check, in the form that `terminal.mark` takes. */
export interface Verdict {
  outcome: Outcome;
  text: string;
  /** What to type or to change. */
  fix?: string;
}

/** One thing that can be wrong. A check only reads, and does not depend on other checks, so all run at once. */
export interface Check {
  group: CheckGroup;
  /** The start of the line when the check itself could not be made. */
  title: string;
  /** @throws NotChecked; any other error is what is wrong */
  run(): Promise<Verdict | readonly Verdict[]>;
}

export const checkGroups = [
  'This machine',
  'AWS account',
  'Stack in AWS',
  'Cloudflare',
  'GitHub',
  'What runs',
  'What make deploy would change',
] as const;
export type CheckGroup = (typeof checkGroups)[number];

/** Something that the check needs does not exist; that has a line of its own, with the fix. */
export class NotChecked extends Error {
  override name = 'NotChecked';
}

export function good(text: string): Verdict {
  return { outcome: 'done', text };
}

export function warning(text: string, fix: string): Verdict {
  return { outcome: 'warning', text, fix };
}

export function bad(text: string, fix: string): Verdict {
  return { outcome: 'failed', text, fix };
}
