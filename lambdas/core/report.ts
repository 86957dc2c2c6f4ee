/**
 * What a host reports about its work, whichever vendor runs it. A host runs somebody's code, and its report goes into
 * the row: the provider that reads a report checks its form and cuts each text and list to its bound (`limits.ts`).
 */
export const deployStages = ['fetching', 'planning', 'pulling', 'building', 'starting', 'checking'] as const;
export type DeployStage = (typeof deployStages)[number];

export interface PublicService {
  name: string;
  /** The container's port. */
  port: number;
  /** Where it is reached: its own hostname, and its path on the main hostname (`/` for the primary). */
  hostname: string;
  path: string;
  primary: boolean;
  /** Its page works only on its own hostname: under the path, its scripts would be requested from the primary. */
  ownHost?: boolean | undefined;
}

export interface HostFailure {
  code: string;
  /** One sentence on which a developer can act: it names the thing, the place and the fix. */
  sentence: string;
  service?: string | undefined;
  /** The last lines of the relevant log: as many as fit. */
  log: string[];
}

export interface Progress {
  generation: number;
  /** The revision of the spec that it answers: a need that a newer revision has met is not met again. */
  revision: number;
  stage: DeployStage;
  /** The primary comes first. */
  services: PublicService[];
  warnings: string[];
  /** What the host needs to continue: a new archive address, or a checkout with git. */
  needs?: 'archive' | 'git' | undefined;
  /** What this stage waits for, for people: the host reports it when it takes long. */
  waiting?: string | undefined;
}

export interface Result {
  generation: number;
  /** Time of the host's own clock. */
  at: number;
  outcome: 'ready' | 'failed' | 'superseded';
  failure?: HostFailure | undefined;
  services: PublicService[];
  warnings: string[];
  /** Milliseconds spent in each stage that was reached. */
  timings: Partial<Record<DeployStage, number>>;
  /** What serves now: after a failed update the previous generation continues to serve. */
  serving?: { generation: number; sha: string } | undefined;
  /** The commit that served before, if it was replaced and could not be started again. */
  lost?: string | undefined;
}
