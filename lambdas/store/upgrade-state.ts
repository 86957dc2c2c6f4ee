import type { EnvironmentState } from '#core/environment';

/** A state as this version or one before it wrote it. */
export type StoredState = EnvironmentState & StoredWords & StoredAccess;

/**
 * A state in today's form, whoever wrote it. Pure; told by its shape, part by part: what has today's form already stays
 * as it is. Both tables, the real one and that of the tests, read through this.
 *
 * `installationId` stands beside the state in the row.
 */
export function upgradeState(stored: StoredState, installationId: number | undefined): EnvironmentState {
  return upgradeAccess(upgradeWords(stored), installationId);
}

/** What people were told stood in the state itself, in GitHub's terms, while GitHub was the only forge. */
interface StoredWords {
  comment?: { id: number; digest: string; at?: number };
  status?: { sha: string; digest: string; state?: string };
  deployment?: { id: number; sha: string; state: string; replaces?: number[] };
}

function upgradeWords<State extends EnvironmentState & StoredWords>(state: State) {
  const { comment, status, deployment, ...rest } = state;
  if (!comment && !status && !deployment) return rest;
  const data = {
    ...(comment && { comment: { id: comment.id, digest: comment.digest } }),
    ...(status && { status }),
    ...(deployment && { deployment }),
  };
  return { ...rest, told: { kind: 'github', v: 1, data } };
}

interface StoredAccess {
  installationId?: number;
  lostInstallation?: number;
  githubPaidUntil?: number;
}

/** The oldest rows did not keep in the state which installation GitHub confirmed. */
function upgradeAccess(
  state: EnvironmentState & StoredAccess,
  besideIt: number | undefined,
): EnvironmentState {
  const { installationId = besideIt, lostInstallation, githubPaidUntil, ...rest } = state;
  const isConfirmed = rest.pull !== undefined && rest.access === undefined && installationId !== undefined;
  return {
    ...rest,
    ...(isConfirmed && { access: String(installationId) }),
    ...(lostInstallation !== undefined && { lostAccess: String(lostInstallation) }),
    ...(githubPaidUntil !== undefined && { callsPaidUntil: githubPaidUntil }),
  };
}
