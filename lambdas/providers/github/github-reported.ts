import * as v from 'valibot';
import { shortHash } from '#core/names';
import type { Handle } from '../handle.ts';
import { readOnce } from '../read-once.ts';
import { MAX_DOUBTFUL, MAX_OTHER_COMMENTS, MAX_REPLACED_DEPLOYMENTS } from './github-limits.ts';
import type { DeploymentState, StatusState } from './github-wire.ts';

const KIND = 'github';
const VERSION = 1;

const statusStates: readonly StatusState[] = ['pending', 'success', 'failure', 'error'];
const deploymentStates: readonly DeploymentState[] = [
  'pending',
  'in_progress',
  'success',
  'failure',
  'inactive',
];

const deploymentIds = v.pipe(v.array(v.number()), v.maxLength(MAX_REPLACED_DEPLOYMENTS));

/** `shown` is a digest, too: of GitHub's own copy, which may differ from what was sent. */
const reportedSchema = v.object({
  /**
   * Id 0: begun, and not known whether GitHub made it (or GitHub refused it). `doubted`: a call got no answer, so there
   * may be another comment, now or later; `others` are those that were found and must still be removed.
   */
  comment: v.exactOptional(
    v.object({
      id: v.number(),
      digest: v.string(),
      shown: v.exactOptional(v.string()),
      doubted: v.exactOptional(v.literal(true)),
      others: v.exactOptional(v.pipe(v.array(v.number()), v.maxLength(MAX_OTHER_COMMENTS))),
    }),
  ),
  /**
   * `state` is missing in rows of the previous version. With an empty commit, a status may have been reported; its
   * commit and its content are not known.
   */
  status: v.exactOptional(
    v.object({
      sha: v.string(),
      digest: v.string(),
      state: v.exactOptional(v.picklist(statusStates)),
      shown: v.exactOptional(v.string()),
    }),
  ),
  /**
   * Id 0: begun, and not known whether GitHub made it (or GitHub refused it). `begun`: its first state was not sent
   * yet. `replaces` are earlier ones that must still be ended; `refused` are those that GitHub did not let us end
   * (archived).
   */
  deployment: v.exactOptional(
    v.object({
      id: v.number(),
      sha: v.string(),
      state: v.picklist(deploymentStates),
      begun: v.exactOptional(v.literal(true)),
      replaces: v.exactOptional(deploymentIds),
      refused: v.exactOptional(deploymentIds),
    }),
  ),
  /**
   * Commits of deployments with a call that got no answer: there may be another deployment, or an ended one may become
   * active again, now or later.
   */
  doubtful: v.exactOptional(v.pipe(v.array(v.string()), v.maxLength(MAX_DOUBTFUL))),
  /** Epoch ms of the last report. */
  at: v.exactOptional(v.number()),
  /** Since then, a check found everything as it was reported. */
  checked: v.exactOptional(v.literal(true)),
});

/** What was reported last, and where. Each part has its own state, so a part that failed is reported alone. */
export type GithubReported = v.InferOutput<typeof reportedSchema>;

/** `unknown`: of another forge, or newer than this code. It is left alone. */
export function readReported(handle: Handle | undefined): GithubReported | 'unknown' {
  return handle ? parseOnce(handle) : {};
}

const parseOnce = readOnce((handle): GithubReported | 'unknown' => {
  if (handle.kind !== KIND || handle.v !== VERSION) return 'unknown';
  const parsed = v.safeParse(reportedSchema, handle.data);
  return parsed.success ? parsed.output : 'unknown';
});

export function handleOf(reported: GithubReported): Handle {
  return { kind: KIND, v: VERSION, data: reported };
}

/** A status that was begun must be ended, even if no row has its content and its commit. */
export const statusInDoubt = { sha: '', digest: '' } as const;

/**
 * Everything is to be reported again, in the same comment and deployment: a run has died, or got no answer. What it
 * began or sent may take effect later, beside or over the new report, so the next checks search for it. The status in
 * the row may not be the last that was reported: that may belong to a newer commit by now.
 */
export function forgetReported({ comment, deployment, doubtful }: GithubReported): GithubReported {
  const inDoubt = doubtfulWith(doubtful, deployment?.sha);
  return {
    ...(inDoubt.length > 0 && { doubtful: inDoubt }),
    status: statusInDoubt,
    ...(comment && { comment: { ...comment, digest: '', doubted: true } }),
    ...(deployment && { deployment: { ...takeUp(deployment), state: 'pending' } }),
  };
}

/** Takes up what GitHub refused to end, so that it is ended again. */
function takeUp({ refused, ...deployment }: NonNullable<GithubReported['deployment']>) {
  if (!refused) return deployment;
  return { ...deployment, replaces: bounded([...refused, ...(deployment.replaces ?? [])]) };
}

/** The first one is what served last; those after it never served, and GitHub shows no link of theirs. */
export function bounded([served, ...others]: number[]): number[] {
  return served === undefined ? [] : [served, ...others.slice(1 - MAX_REPLACED_DEPLOYMENTS)];
}

function doubtfulWith(doubtful: readonly string[] = [], sha = ''): string[] {
  const others = doubtful.filter((other) => other !== sha);
  return [...others, ...(sha ? [sha] : [])].slice(-MAX_DOUBTFUL);
}

export function digest(part: unknown): string {
  return shortHash(JSON.stringify(part ?? null));
}
