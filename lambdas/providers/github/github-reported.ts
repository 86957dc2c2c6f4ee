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

/** `shown` is a digest too: of what GitHub said that it has, which may not be what it was told. */
const reportedSchema = v.object({
  /**
   * Id 0: begun, and not known whether GitHub made it (or GitHub refused it). `doubted`: something that was said had no
   * answer, so there may be a further one, now or later; `others` are those that were found, still to be removed.
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
   * `state` is missing in rows of the version before. Without a commit: one may have been told, and of which commit, and
   * what, is not known.
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
   * Id 0: begun, and not known whether GitHub made it (or GitHub refused it). `begun`: its first state has not been said yet.
   * `replaces` are those before, still to be ended; `refused` are those that GitHub did not let us end (archived).
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
   * Commits of deployments of which something had no answer: there may be a further one, or one that was ended may live
   * again, now or later.
   */
  doubtful: v.exactOptional(v.pipe(v.array(v.string()), v.maxLength(MAX_DOUBTFUL))),
  /** When something was told last, epoch ms. */
  at: v.exactOptional(v.number()),
  /** Since then all was found as it was told. */
  checked: v.exactOptional(v.literal(true)),
});

/** What people were told last, and where. Each part is known by itself: one that could not be told is told alone. */
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

/** One that was begun must be ended, also where no row knows what it says and of which commit. */
export const statusInDoubt = { sha: '', digest: '' } as const;

/**
 * Everything is to be told again, in the same comment and deployment: a run has died, or was not answered. What it began
 * or said may take effect later, beside or over what is told instead, so it is looked for by the next checks. What the
 * row knows of a status may not be the last that was told: it may be of a newer commit by now.
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

/** What GitHub refused to end is to be ended again. */
function takeUp({ refused, ...deployment }: NonNullable<GithubReported['deployment']>) {
  if (!refused) return deployment;
  return { ...deployment, replaces: bounded([...refused, ...(deployment.replaces ?? [])]) };
}

/** The first one is what served last; those after it never did, and GitHub shows no link of theirs. */
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
