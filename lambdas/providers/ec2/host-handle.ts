import * as v from 'valibot';
import type { Handle } from '../handle.ts';
import { readOnce } from '../read-once.ts';

/**
 * What is remembered of a host on EC2.
 *
 *   intent            frozen; it is not known whether EC2 launched it
 *   intent, instance  launched; `registered` once the table of hosts leads from the machine to its environment
 *
 * Gotcha: a retry of RunInstances with any changed parameter is `IdempotentParameterMismatch`, so the intent holds
 * all of them, and is saved before the first call.
 */
export const launchIntentSchema = v.object({
  clientToken: v.string(),
  subnetId: v.string(),
  instanceType: v.string(),
  imageId: v.string(),
  launchTemplateId: v.string(),
  launchTemplateVersion: v.string(),
  userData: v.string(),
});
export type LaunchIntent = v.InferOutput<typeof launchIntentSchema>;

const hostDataSchema = v.object({
  intent: launchIntentSchema,
  attempt: v.number(),
  /** Epoch ms of the intent: for minutes after it, "there is no such machine" is no answer. */
  begunAt: v.number(),
  instanceId: v.optional(v.string()),
  registered: v.optional(v.boolean()),
  /** Tag of the last deployment spec that is known to be in its mailbox. */
  mailed: v.optional(v.string()),
  /** The last step of its removal that is done. */
  removed: v.optional(v.picklist(['terminated', 'cleared'])),
});
export type HostData = v.InferOutput<typeof hostDataSchema>;

export const HOST_KIND = 'ec2';
const HOST_VERSION = 1;

export function hostHandle(data: HostData): Handle {
  return { kind: HOST_KIND, v: HOST_VERSION, data };
}

/** Undefined: the handle is of another provider, or newer than this code. */
export const readHostHandle = readOnce((handle): Readonly<HostData> | undefined => {
  if (handle.kind !== HOST_KIND || handle.v !== HOST_VERSION) return undefined;
  const parsed = v.safeParse(hostDataSchema, handle.data);
  return parsed.success ? parsed.output : undefined;
});
