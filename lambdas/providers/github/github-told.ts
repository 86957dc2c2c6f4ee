import * as v from 'valibot';
import { shortHash } from '#core/names';
import type { Handle } from '../handle.ts';
import { MAX_DOUBTFUL, MAX_REPLACED_DEPLOYMENTS } from './github-limits.ts';
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

/** `shown` is a digest too: of what GitHub said that it has, which may not be what it was told. */
const toldSchema = v.object({
  /** Id 0: begun, and not known whether GitHub made it (or GitHub refused it). */
  comment: v.exactOptional(
    v.object({ id: v.number(), digest: v.string(), shown: v.exactOptional(v.string()) }),
  ),
  /** `state` is missing in rows of the version before. */
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
   * `replaces` are those before, still to be ended.
   */
  deployment: v.exactOptional(
    v.object({
      id: v.number(),
      sha: v.string(),
      state: v.picklist(deploymentStates),
      begun: v.exactOptional(v.literal(true)),
      replaces: v.exactOptional(v.pipe(v.array(v.number()), v.maxLength(MAX_REPLACED_DEPLOYMENTS))),
    }),
  ),
  /** Commits of deployments whose making had no answer and which were not there when they were looked for. */
  doubtful: v.exactOptional(v.pipe(v.array(v.string()), v.maxLength(MAX_DOUBTFUL))),
  /** When something was told last, epoch ms. */
  at: v.exactOptional(v.number()),
  /** Since then all was found as it was told. */
  checked: v.exactOptional(v.literal(true)),
});

/** What people were told last, and where. Each part is known by itself: one that could not be told is told alone. */
export type GithubTold = v.InferOutput<typeof toldSchema>;

/** `unknown`: of another forge, or newer than this code. It is left alone. */
export function readTold(handle: Handle | undefined): GithubTold | 'unknown' {
  if (!handle) return {};
  if (handle.kind !== KIND || handle.v !== VERSION) return 'unknown';
  const parsed = v.safeParse(toldSchema, handle.data);
  return parsed.success ? parsed.output : 'unknown';
}

export function handleOf(told: GithubTold): Handle {
  return { kind: KIND, v: VERSION, data: told };
}

/** As if nobody had been told anything yet, but by whom: comment and deployment are the same ones. */
export function forgetTold({ comment, deployment, doubtful }: GithubTold): GithubTold {
  return {
    ...(doubtful && { doubtful }),
    ...(comment && { comment: { ...comment, digest: '' } }),
    ...(deployment && { deployment: { ...deployment, state: 'pending' } }),
  };
}

export function digest(part: unknown): string {
  return shortHash(JSON.stringify(part ?? null));
}
