/**
 * What a message knows beside "look again". It is written into the row together with `wakes`, and stays there until a
 * run has acted on it: if somebody else holds the lease, or the run dies, or a vendor does not answer, nothing is lost.
 *
 * - `suspect`: the garbage collection missed something of this environment: look at everything
 * - `access`: who may see the repository may have changed: tokens that were given out before do not count
 * - `retell`: what was told about its commit was written over: tell it again
 * - `recheck`: hold what people see against what they were told
 * - `fresh`: the operator has just spoken: what was read before does not count
 * - `machine`: the machine was seen to stop or end: ask the cloud
 */
export const hints = ['suspect', 'access', 'retell', 'recheck', 'fresh', 'machine'] as const;
export type Hint = (typeof hints)[number];
