import * as v from 'valibot';

/**
 * What travels through the queue. A job says "look again at X", never "do Y": the reconciler asks GitHub
 * what X is now, so a late, repeated or reordered job is harmless.
 *
 * Version N of the platform reads N-1: while a deploy is under way, the queue holds jobs of both.
 */
export const JOB_VERSION = 1;

/** An installation may have thousands of repositories; each costs a query. */
export const MAX_JOB_REPOSITORIES = 500;

/** Beyond a safe integer the table refuses it, again and again. */
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
/** Half a character, which JSON can carry and UTF-8 cannot, would be refused by the table again and again. */
const text = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(256),
  v.check((value) => value.isWellFormed(), 'is not UTF-8'),
);
/** GitHub's `X-GitHub-Delivery`, or our own id for what we started ourselves. It runs through every log. */
const delivery = text;

const repository = v.object({ id, owner: text, name: text });

const pullRequestJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('pull_request'),
  delivery,
  action: text,
  installationId: id,
  repository,
  number: id,
});

const repositoryJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('repository'),
  delivery,
  action: v.picklist(['renamed', 'transferred', 'archived', 'unarchived', 'deleted']),
  installationId: id,
  repository,
});

const installationJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('installation'),
  delivery,
  action: v.picklist([
    'created',
    'deleted',
    'suspend',
    'unsuspend',
    'repositories_added',
    'repositories_removed',
  ]),
  installationId: id,
  /** The repositories that came or went; empty for the whole installation. What is beyond the limit, the hourly look finds. */
  repositoryIds: v.pipe(v.array(id), v.maxLength(MAX_JOB_REPOSITORIES)),
});

/** A merge queue waits for every required check on a commit of its own. */
const mergeGroupJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('merge_group'),
  delivery,
  action: text,
  installationId: id,
  repository,
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
});

const wakeJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('wake'),
  delivery,
  environment: text,
  cause: text,
  /** The comparison missed something of this environment: look at everything. */
  suspect: v.optional(v.boolean()),
  /** Who may see the repository may have changed: tokens that were given out before do not count. */
  access: v.optional(v.boolean()),
  /** What was told about its commit was written over: said again. */
  retell: v.optional(v.boolean()),
  /** The operator has just spoken (`make pause`): what was read before does not count. */
  fresh: v.optional(v.boolean()),
  /** Says "it is time" and nothing else: void when the row's next look has moved or been had. */
  timer: v.optional(v.boolean()),
  /** With `timer`: the sweep says so, and not a delayed message of the row's own. */
  sweep: v.optional(v.boolean()),
});

const jobSchema = v.variant('kind', [pullRequestJob, repositoryJob, installationJob, mergeGroupJob, wakeJob]);

export type Job = v.InferOutput<typeof jobSchema>;
export type RepositoryJob = v.InferOutput<typeof repositoryJob>;
export type MergeGroupJob = v.InferOutput<typeof mergeGroupJob>;
export type InstallationJob = v.InferOutput<typeof installationJob>;

export function encodeJob(job: Job): string {
  return JSON.stringify(job);
}

export type DecodedJob = { ok: true; job: Job } | { ok: false; problem: string };

/** Never throws: a malformed job is permanent, it is acknowledged and counted, not retried. */
export function decodeJob(body: string): DecodedJob {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { ok: false, problem: 'the job is not JSON' };
  }
  const parsed = v.safeParse(jobSchema, value);
  if (parsed.success) return { ok: true, job: parsed.output };
  const [issue] = parsed.issues;
  return { ok: false, problem: `${v.getDotPath(issue) ?? 'job'}: ${issue.message}` };
}
