import type { EnvironmentState } from '#core/environment';

/** A state as this version or the one before it wrote it. */
export type StoredState = EnvironmentState & StoredWords;

/**
 * A row is read in today's form whoever wrote it. Pure; each part is known by itself, and one that has today's form
 * already stays as it is. Both tables, the real one and that of the tests, read through this.
 */
export function upgradeState(stored: StoredState): EnvironmentState {
  return parts.reduce<StoredState>((state, upgrade) => upgrade(state), stored);
}

const parts: readonly ((state: StoredState) => StoredState)[] = [upgradeWords];

/** What people were told stood in the state itself, in GitHub's terms, while GitHub was the only forge. */
interface StoredWords {
  comment?: { id: number; digest: string; at?: number };
  status?: { sha: string; digest: string; state?: string };
  deployment?: { id: number; sha: string; state: string; replaces?: number[] };
}

function upgradeWords(state: StoredState): StoredState {
  const { comment, status, deployment, ...rest } = state;
  if (!comment && !status && !deployment) return rest;
  const data = {
    ...(comment && { comment: { id: comment.id, digest: comment.digest } }),
    ...(status && { status }),
    ...(deployment && { deployment }),
  };
  return { ...rest, told: rest.told ?? { kind: 'github', v: 1, data } };
}
