import * as v from 'valibot';

/**
 * User data of a host: how the bootstrap finds its mailbox and the agent. Frozen with the launch intent,
 * because a retry of RunInstances with the same client token and other user data is refused. So: nothing
 * signed, nothing dated, nothing secret (anything on the host can read it).
 */
export const hostBootSchema = v.object({
  v: v.literal(1),
  environment: v.string(),
  attempt: v.pipe(v.number(), v.integer(), v.minValue(1)),
  region: v.string(),
  bucket: v.string(),
  /** Stable id of the instance role; `<role id>:<instance id>` is the host's `aws:userid`. */
  hostRoleId: v.string(),
  /** The agent is one file, fetched from `agent/<sha256>.mjs` and checked against it before it runs. */
  agentSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
export type HostBoot = v.InferOutput<typeof hostBootSchema>;

export function agentObjectKey(agentSha256: string): string {
  return `agent/${agentSha256}.mjs`;
}
