import { parseKey } from '#core/environment-key';
import type { PullAnswer, PullQuestion, RepositoryRef } from '../ports.ts';
import type { Handle, Moved } from './handle.ts';

/** Where a commit's files can be read for a while; never saved, since anybody who has it can read the repository. */
export type CommitSource =
  | { kind: 'archive'; sha: string; url: string }
  | { kind: 'git'; sha: string; url: string; token: string };

/** The rate limit account of one environment: until when its calls are paid for; kept in its row. */
export interface CallAccount {
  paidUntil: number;
}

export interface Showing {
  /** The handle is the one that the last call returned with `saveFirst`, and nothing else has happened since. */
  justSaved: boolean;
  /** There were enough refusals: another one is final, and the report counts as made. */
  lastTry: boolean;
}

export interface Shown extends Moved {
  /** Numbers of the repository's other pull requests that must report again, since this report overwrote theirs. */
  retell?: readonly number[];
}

/** The forge of an environment; undefined if the key, or its prefix, belongs to no forge that is known here. */
export function forgeOf<Summary>(
  forges: ReadonlyMap<string | undefined, Forge<Summary>>,
  key: string,
): Forge<Summary> | undefined {
  const parsed = parseKey(key);
  return parsed && forges.get(parsed.forge);
}

/** `recent` is what each sweep checks, `older` is everything before it that is still kept. */
export type MissedSpan = 'recent' | 'older';

/** Where pull requests live and where people read the reports. One implementation: `github/`. */
export interface Forge<Summary> {
  /** The same forge with the limits of one environment: one environment must not use up what all share. */
  within(account: CallAccount): Forge<Summary>;
  read(question: PullQuestion): Promise<PullAnswer>;
  /** Names of the files and folders in the root of the repository at a commit. */
  root(ref: RepositoryRef, sha: string): Promise<string[]>;
  /** Text of a file that exists at a commit; undefined for a folder. */
  file(ref: RepositoryRef, sha: string, path: string): Promise<string | undefined>;
  source(ref: RepositoryRef, sha: string, kind: CommitSource['kind']): Promise<CommitSource>;
  /** Whether everything in the summary was reported. Pure. */
  isShown(summary: Summary, reported: Handle | undefined): boolean;
  /** The handle as if nothing had been reported yet; it still has where reports were made. Pure. */
  forgetShown(reported: Handle): Handle;
  /**
   * Reports, with at most one effect per call. A report that is impossible (archived, refused for good) counts as made.
   */
  show(ref: RepositoryRef, summary: Summary, reported: Handle | undefined, showing: Showing): Promise<Shown>;
  /** Nothing was reported since a check found every report in place. Pure. */
  isChecked(reported: Handle): boolean;
  /**
   * Checks what people see against what was reported: a report may take effect after its run gave up, and overwrite a
   * newer one. What differs is due again for `show`.
   */
  check(ref: RepositoryRef, summary: Summary, reported: Handle): Promise<Handle>;
  /** Passes a commit of a merge queue, which no pull request reports on, and no other commit. */
  passQueue(ref: RepositoryRef, sha: string): Promise<void>;
  /** Asks again for messages that did not arrive. Returns how many. */
  missed(span: MissedSpan): Promise<number>;
}
