/**
 * What a message reports in addition to "reconcile again". A hint is written into the row together with `wakes` and
 * stays there until a run has acted on it: if another run holds the lease, or a run dies, or a vendor does not answer,
 * nothing is lost.
 *
 * - `suspect`: the garbage collection missed something of this environment: observe everything
 * - `access`: who may see the repository may have changed: tokens from before do not count
 * - `retell`: the report about its commit was overwritten: report again
 * - `recheck`: check what people see against what was reported
 * - `fresh`: the operator has just changed the pause: what was read before does not count
 * - `machine`: the machine was seen to stop or end: ask the vendor
 */
export const hints = ['suspect', 'access', 'retell', 'recheck', 'fresh', 'machine'] as const;
export type Hint = (typeof hints)[number];
