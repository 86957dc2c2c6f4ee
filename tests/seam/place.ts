import type { EnvironmentState } from '#core/environment';
import type { ControlPlane } from '../fakes/create-control-plane.ts';

/** Where pull requests live, environments run and visitors come in, of whatever make each of the three is. */
export interface Place {
  platform: ControlPlane;
  /** From now on builds end so. */
  build(outcome: 'ready' | 'failed'): void;
  open(): Life;
  exists(): Promise<Existing>;
}

/** One pull request: what people do to it, and what they see of it. */
export interface Life {
  /** Its newest commit. */
  head(): string;
  push(): void;
  close(): void;
  reopen(): void;
  state(): Promise<EnvironmentState>;
  /** What stands there for people to read. */
  texts(): string[];
  /** The commit that visitors see. */
  served(): Promise<string | undefined>;
  /** The newest commit is served by the one unit of this environment, nothing else exists, and people are told so. */
  expectServed(): Promise<void>;
}

export interface Existing {
  /** That environments run in. */
  units: string[];
  /** What is kept for them elsewhere. */
  stored: string[];
  /** That lead into environments: a tunnel, a line. */
  ways: string[];
  /** Host names that lead to one of them. */
  addresses: string[];
  /** Commits that people are shown as deployed. */
  deployments: string[];
}

export const nothing: Existing = { units: [], stored: [], ways: [], addresses: [], deployments: [] };
