/**
 * What a host says of its work, whichever cloud it runs in. A host runs somebody's code, and what it says goes into the
 * row: the provider that reads a report checks its form and cuts each text and list to its bound (`limits.ts`).
 */
export const deployStages = ['fetching', 'planning', 'pulling', 'building', 'starting', 'checking'] as const;
export type DeployStage = (typeof deployStages)[number];

export interface PublicService {
  name: string;
  /** The container's port. */
  port: number;
  /** Where it is reached: hostname of its own, and path on the main hostname (`/` for the primary). */
  hostname: string;
  path: string;
  primary: boolean;
  /** Its page works only there: under its path it would ask the primary for its scripts. */
  ownHost?: boolean | undefined;
}

export interface HostFailure {
  code: string;
  /** One sentence a developer can act on: names the thing, the place and the fix. */
  sentence: string;
  service?: string | undefined;
  /** The last lines of the right log: as many as fit. */
  log: string[];
}

export interface Progress {
  generation: number;
  /** The revision of the spec it answers: a need that a newer revision has met is not met again. */
  revision: number;
  stage: DeployStage;
  /** The primary comes first. */
  services: PublicService[];
  warnings: string[];
  /** What the host cannot go on without: a fresh archive address, or a checkout with git. */
  needs?: 'archive' | 'git' | undefined;
  /** What this stage waits for, for people: said when it takes long. */
  waiting?: string | undefined;
}

export interface Result {
  generation: number;
  /** By the host's own clock. */
  at: number;
  outcome: 'ready' | 'failed' | 'superseded';
  failure?: HostFailure | undefined;
  services: PublicService[];
  warnings: string[];
  /** Milliseconds spent in each stage, as far as it got. */
  timings: Partial<Record<DeployStage, number>>;
  /** What serves now: after a failed update the previous generation still does. */
  serving?: { generation: number; sha: string } | undefined;
  /** The commit that served before, if it was replaced and could not be started again. */
  lost?: string | undefined;
}
