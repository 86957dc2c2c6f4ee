import * as v from 'valibot';

/**
 * User data of a host: how the bootstrap finds its mailbox and the agent. It is frozen with the launch intent,
 * because a retry of RunInstances with the same client token and other user data is refused. So it has nothing
 * signed, nothing dated, and nothing secret (everything on the host can read it).
 */
export const hostBootSchema = v.object({
  v: v.literal(1),
  environment: v.string(),
  attempt: v.pipe(v.number(), v.integer(), v.minValue(1)),
  region: v.string(),
  bucket: v.string(),
  /** Stable id of the instance role; `<role id>:<instance id>` is the host's `aws:userid`. */
  hostRoleId: v.string(),
  /** The agent is one file, fetched from `agent/<sha256>.mjs` and checked against this hash before it runs. */
  agentSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
export type HostBoot = v.InferOutput<typeof hostBootSchema>;

export function agentObjectKey(agentSha256: string): string {
  return `agent/${agentSha256}.mjs`;
}

/** The script that turns a stock Amazon Linux machine into a host; it is fetched from the bucket like the agent. */
export function provisionObjectKey(provisionSha256: string): string {
  return `agent/provision-${provisionSha256}.sh`;
}

/**
 * A host's user data. With `provisionSha256` the image is a stock one: then the same document is also a cloud-init
 * configuration, since JSON is YAML, and its command installs what a baked image has and starts the agent.
 * cloud-init ignores the members that it does not know, and the bootstrap ignores the first line.
 * https://docs.cloud-init.io/en/latest/explanation/format.html#cloud-config-data
 */
export function userDataOf(boot: HostBoot, provisionSha256: string): string {
  if (provisionSha256 === '') return JSON.stringify(boot);
  const { bucket, region } = boot;
  const file = '/root/eph-provision.sh';
  // Amazon Linux has the AWS CLI, which uses the credentials of the host's role by itself.
  const fetch = `aws s3 cp --quiet --region ${region} s3://${bucket}/${provisionObjectKey(provisionSha256)} ${file}`;
  const script = [
    `until ${fetch}; do sleep 2; done`,
    `echo '${provisionSha256}  ${file}' | sha256sum --check --status`,
    // This is safe to repeat, and cloud-init runs it once: a package server's short failure must not cost the machine.
    `until bash ${file}; do sleep 10; done`,
  ].join(' && ');
  return `#cloud-config\n${JSON.stringify({ ...boot, runcmd: [['bash', '-c', script]] })}`;
}
