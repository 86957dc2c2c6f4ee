import type { EnvironmentState } from '#core/environment';
import type { ControlPlane } from '../fakes/create-control-plane.ts';

/** Where pull requests live, environments run and visitors come in, each at any vendor or none. */
export interface Place {
  platform: ControlPlane;
  /** From now on builds end in this way. */
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
  /** The text that people read there. */
  texts(): string[];
  /** The commit that visitors see. */
  served(): Promise<string | undefined>;
  /** The newest commit is served by the one unit of this environment, nothing else exists, and that is reported. */
  expectServed(): Promise<void>;
}

export interface Existing {
  /** The units that environments run in. */
  units: string[];
  /** The things that are kept for them elsewhere. */
  stored: string[];
  /** The ways into environments: tunnels or lines. */
  ways: string[];
  /** Hostnames that lead to one of them. */
  addresses: string[];
  /** Commits that people are shown as deployed. */
  deployments: string[];
}

export const nothing: Existing = { units: [], stored: [], ways: [], addresses: [], deployments: [] };
