/**
 * One part of a deployment, in the order of `deploy-steps.ts`. A step finds out by itself what exists and keeps
 * nothing between two runs, so an interrupted deploy is simply run again.
 */
export interface DeployStep {
  /** The name of the thing, not of the work: "Access: who may open previews". */
  title: string;
  /** What `apply` would change, a sentence each; [] if nothing. It only reads. */
  plan(): Promise<readonly string[]>;
  /** Makes the changes and returns a sentence about them, or that there was nothing to do. */
  apply(progress: (detail: string) => void): Promise<string>;
}

/** One kind of thing that a deployment leaves, in the order of `destroy-steps.ts`. */
export interface DestroyStep {
  title: string;
  /** Only things that carry this deployment's mark, by name. Throws rather than return a partial list. */
  list(): Promise<readonly string[]>;
  /** Removes what `list` finds; safe to repeat. */
  remove(progress: (detail: string) => void): Promise<void>;
}
