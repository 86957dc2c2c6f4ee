import type { PullAnswer, PullQuestion, RepositoryRef } from '../ports.ts';
import type { Handle, Moved } from './handle.ts';

/** Where a commit's files are to be had, for a while; never saved, it opens the repository to whoever has it. */
export type CommitSource =
  | { kind: 'archive'; sha: string; url: string }
  | { kind: 'git'; sha: string; url: string; token: string };

/** Where pull requests live and people read what became of them. One implementation: `github/`. */
export interface Forge<Summary> {
  read(question: PullQuestion): Promise<PullAnswer>;
  /** Names of what lies in the root of the repository at a commit. */
  root(ref: RepositoryRef, sha: string): Promise<string[]>;
  /** Text of a file that is there at a commit; undefined for a folder. */
  file(ref: RepositoryRef, sha: string, path: string): Promise<string | undefined>;
  source(ref: RepositoryRef, sha: string, kind: CommitSource['kind']): Promise<CommitSource>;
  /** Whether people have been told all that the summary says. Pure. */
  isShown(summary: Summary, told: Handle | undefined): boolean;
  /** Tells it: at most one effect a call. What people may not be told (archived, refused for good) counts as told. */
  show(ref: RepositoryRef, summary: Summary, told: Handle | undefined): Promise<Moved>;
}
