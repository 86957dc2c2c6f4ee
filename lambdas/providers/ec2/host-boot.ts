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

/** What turns a stock Amazon Linux machine into a host; fetched from the bucket like the agent. */
export function provisionObjectKey(provisionSha256: string): string {
  return `agent/provision-${provisionSha256}.sh`;
}

/**
 * A host's user data. With `provisionSha256` the image is a stock one: the same document is then a cloud-init
 * configuration too, since JSON is YAML, whose command installs what a baked image has and starts the agent.
 * cloud-init passes over the members it does not know, and the bootstrap over the first line.
 * https://docs.cloud-init.io/en/latest/explanation/format.html#cloud-config-data
 */
export function userDataOf(boot: HostBoot, provisionSha256: string): string {
  if (provisionSha256 === '') return JSON.stringify(boot);
  const { bucket, region } = boot;
  const file = '/root/eph-provision.sh';
  // Amazon Linux has the AWS CLI, which takes the credentials of the host's role by itself.
  const fetch = `aws s3 cp --quiet --region ${region} s3://${bucket}/${provisionObjectKey(provisionSha256)} ${file}`;
  const script = [
    `until ${fetch}; do sleep 2; done`,
    `echo '${provisionSha256}  ${file}' | sha256sum --check --status`,
    // Safe to repeat, and cloud-init runs this once: a package server that stumbles must not cost the machine.
    `until bash ${file}; do sleep 10; done`,
  ].join(' && ');
  return `#cloud-config\n${JSON.stringify({ ...boot, runcmd: [['bash', '-c', script]] })}`;
}
