import * as v from 'valibot';
import { forgePattern, MAX_KEY_LENGTH } from './environment-key.ts';

/**
 * The messages of the queue. A job means "reconcile X again", never "do Y": the reconciler asks the forge for the
 * current state of X, so a late, repeated or reordered job is harmless.
 *
 * Version N of the platform reads N-1: while a deploy is under way, the queue holds jobs of both. So the wire form (the
 * schemas below) keeps the names from when GitHub was the only forge (`installationId`, the kind `installation`);
 * `decodeJob` and `encodeJob` translate them into neutral names, and no other code in this folder knows them. The
 * Worker, which is GitHub's messenger, writes the wire form itself.
 */
export const JOB_VERSION = 1;

/** One access may open thousands of repositories, and each costs a query. */
export const MAX_JOB_REPOSITORIES = 500;

/** The table would refuse a number beyond a safe integer again and again. */
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
/** The table would refuse half a character, which JSON can carry and UTF-8 cannot, again and again. */
const wellFormed = v.check((value: string) => value.isWellFormed(), 'is not UTF-8');
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(256), wellFormed);
/** Missing: GitHub, which was the only forge at first. */
const forge = v.optional(v.pipe(v.string(), v.regex(forgePattern)));
/** The id of the message (`X-GitHub-Delivery`), or our own id for work that Eph began. Every log contains it. */
const delivery = text;

/** A key that this version cannot read finds no row. */
const key = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_KEY_LENGTH), wellFormed);

const repository = v.object({ id, owner: text, name: text });
/** Missing for a forge that needs no such id. */
const installationId = v.optional(id);

const pullRequestJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('pull_request'),
  delivery,
  action: text,
  forge,
  installationId,
  repository,
  number: id,
});

const repositoryJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('repository'),
  delivery,
  action: v.picklist(['renamed', 'transferred', 'archived', 'unarchived', 'deleted']),
  forge,
  installationId,
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
  forge,
  installationId,
  /**
   * The repositories that came or went; empty for the whole installation. The hourly sweep finds those over the limit.
   */
  repositoryIds: v.pipe(v.array(id), v.maxLength(MAX_JOB_REPOSITORIES)),
});

/** A merge queue waits for every required check on a commit that it makes itself. */
const mergeGroupJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('merge_group'),
  delivery,
  action: text,
  forge,
  installationId,
  repository,
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
});

const wakeJob = v.object({
  v: v.literal(JOB_VERSION),
  kind: v.literal('wake'),
  delivery,
  environment: key,
  cause: text,
  /** The garbage collection missed something of this environment: observe everything. */
  suspect: v.optional(v.boolean()),
  /** Who may see the repository may have changed: tokens from before do not count. */
  access: v.optional(v.boolean()),
  /** The report about its commit was overwritten: report again. */
  retell: v.optional(v.boolean()),
  /** From the hourly garbage collection: check what people see against what was reported. */
  recheck: v.optional(v.boolean()),
  /** The operator has just changed the pause (`make pause`): what was read before does not count. */
  fresh: v.optional(v.boolean()),
  /** The message only means "it is time": it has no effect if the row's next reconcile was moved or has taken place. */
  timer: v.optional(v.boolean()),
  /** With `timer`: the message is from the sweep, and is not a delayed message of the row's own. */
  sweep: v.optional(v.boolean()),
});

const wireSchema = v.variant('kind', [
  pullRequestJob,
  repositoryJob,
  installationJob,
  mergeGroupJob,
  wakeJob,
]);

export type WireJob = v.InferOutput<typeof wireSchema>;
export type InstallationJob = v.InferOutput<typeof installationJob>;

/** Adds what gives Eph access to the repository; only its forge understands it. */
type WithAccess<Wire> = Omit<Wire, 'installationId'> & { access: string };
export type PullRequestJob = WithAccess<v.InferOutput<typeof pullRequestJob>>;
export type RepositoryJob = WithAccess<v.InferOutput<typeof repositoryJob>>;
export type MergeGroupJob = WithAccess<v.InferOutput<typeof mergeGroupJob>>;
/** The people who may see the repositories have changed. */
export type AccessJob = Omit<WithAccess<InstallationJob>, 'kind'> & { kind: 'access' };
export type WakeJob = v.InferOutput<typeof wakeJob>;

export type Job = PullRequestJob | RepositoryJob | MergeGroupJob | AccessJob | WakeJob;

export function encodeJob(job: Job): string {
  return encodeWireJob(toWire(job));
}

export function encodeWireJob(job: WireJob): string {
  return JSON.stringify(job);
}

function toWire(job: Job): WireJob {
  if (job.kind === 'wake') return job;
  const { access, ...rest } = job;
  const reached = access === '' ? {} : { installationId: Number(access) };
  return rest.kind === 'access' ? { ...rest, ...reached, kind: 'installation' } : { ...rest, ...reached };
}

function toJob(wire: WireJob): Job {
  if (wire.kind === 'wake') return wire;
  const { installationId, ...rest } = wire;
  const access = installationId === undefined ? '' : String(installationId);
  return rest.kind === 'installation' ? { ...rest, access, kind: 'access' } : { ...rest, access };
}

export type DecodedJob = { ok: true; job: Job } | { ok: false; problem: string };

/** Never throws: a malformed job is a permanent failure, so it is acknowledged and counted, not retried. */
export function decodeJob(body: string): DecodedJob {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { ok: false, problem: 'the job is not JSON' };
  }
  const parsed = v.safeParse(wireSchema, value);
  if (parsed.success) return { ok: true, job: toJob(parsed.output) };
  const [issue] = parsed.issues;
  return { ok: false, problem: `${v.getDotPath(issue) ?? 'job'}: ${issue.message}` };
}
