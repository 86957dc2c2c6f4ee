import type { Account, GithubState, Installation, Repository } from './github-state.ts';
import type { Links } from './links.ts';

export interface GithubEvent {
  name: string;
  /** Absent for events about an installation, which contain their repositories themselves. */
  repository?: Repository;
  installation?: Installation;
  sender: Account;
  /** What is particular to the event; repository, organization, sender and installation are added. */
  payload: Record<string, unknown>;
}

/** The state and functions that the parts of the state machine share. */
export interface GithubContext {
  state: GithubState;
  links: Links;
  /** Epoch milliseconds. */
  now(): number;
  newId(): string;
  nextNumber(): number;
  emit(event: GithubEvent): void;
}
