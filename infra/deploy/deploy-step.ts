/**
 * One thing that a deploy sees to, in the order of `deploy-steps.ts`. A step finds out by itself what is there
 * and keeps nothing between two runs, so a deploy that was interrupted is simply run again.
 */
export interface DeployStep {
  /** What it is, not what is done: "Access: who may open previews". */
  title: string;
  /** What `apply` would change, a sentence each; [] when it is already so. Reads only. */
  plan(): Promise<readonly string[]>;
  /** Brings it there and says in a sentence what it did, or that nothing was to be done. */
  apply(progress: (detail: string) => void): Promise<string>;
}

/** One kind of thing that a deployment leaves, in the order of `destroy-steps.ts`. */
export interface DestroyStep {
  title: string;
  /** By name, only what carries this deployment's mark. Throws rather than return a partial list. */
  list(): Promise<readonly string[]>;
  /** Removes what `list` finds; safe to repeat. */
  remove(progress: (detail: string) => void): Promise<void>;
}
