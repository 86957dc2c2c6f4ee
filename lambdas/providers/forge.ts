import { parseKey } from '#core/environment-key';
import type { PullAnswer, PullQuestion, RepositoryRef } from '../ports.ts';
import type { Handle, Moved } from './handle.ts';

/** Where a commit's files are to be had, for a while; never saved, it opens the repository to whoever has it. */
export type CommitSource =
  | { kind: 'archive'; sha: string; url: string }
  | { kind: 'git'; sha: string; url: string; token: string };

/** Until when the calls that one environment has made are paid for; kept in its row. */
export interface CallAccount {
  paidUntil: number;
}

export interface Showing {
  /** The handle is what the last call returned with `saveFirst`, and nothing else has happened since. */
  justSaved: boolean;
  /** It was refused often enough: a further refusal is the last word, and counts as told. */
  lastTry: boolean;
}

export interface Shown extends Moved {
  /** Numbers of the repository's other pull requests that have to tell theirs again, since this wrote over it. */
  retell?: readonly number[];
}

/** The forge of an environment; undefined where the key, or its prefix, is none that is known here. */
export function forgeOf<Summary>(
  forges: ReadonlyMap<string | undefined, Forge<Summary>>,
  key: string,
): Forge<Summary> | undefined {
  const parsed = parseKey(key);
  return parsed && forges.get(parsed.forge);
}

/** `recent` is what each sweep looks at, `older` all that is kept beyond it. */
export type MissedSpan = 'recent' | 'older';

/** Where pull requests live and people read what became of them. One implementation: `github/`. */
export interface Forge<Summary> {
  /** The same, as one environment may use it: what all share is not used up by one. */
  within(account: CallAccount): Forge<Summary>;
  read(question: PullQuestion): Promise<PullAnswer>;
  /** Names of what lies in the root of the repository at a commit. */
  root(ref: RepositoryRef, sha: string): Promise<string[]>;
  /** Text of a file that is there at a commit; undefined for a folder. */
  file(ref: RepositoryRef, sha: string, path: string): Promise<string | undefined>;
  source(ref: RepositoryRef, sha: string, kind: CommitSource['kind']): Promise<CommitSource>;
  /** Whether people have been told all that the summary says. Pure. */
  isShown(summary: Summary, reported: Handle | undefined): boolean;
  /** As if nobody had been told anything yet; where it was told is still known. Pure. */
  forgetShown(reported: Handle): Handle;
  /** Tells it: at most one effect a call. What people may not be told (archived, refused for good) counts as told. */
  show(ref: RepositoryRef, summary: Summary, reported: Handle | undefined, showing: Showing): Promise<Shown>;
  /** Nothing has been told since a check found all as it was told. Pure. */
  isChecked(reported: Handle): boolean;
  /**
   * Holds what people see against what they were told: words may take effect after whoever said them had given up,
   * over newer ones. What is not so is due again for `show`.
   */
  check(ref: RepositoryRef, summary: Summary, reported: Handle): Promise<Handle>;
  /** Lets through what no pull request will answer for: a commit of a merge queue, and no other. */
  passQueue(ref: RepositoryRef, sha: string): Promise<void>;
  /** Asks again for messages that did not reach us. How many. */
  missed(span: MissedSpan): Promise<number>;
}
