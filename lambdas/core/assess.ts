import { absorb } from './absorb.ts';
import { type Admission, admit } from './admit.ts';
import { type Desired, desired, type Policy } from './desired.ts';
import type { EnvironmentState, Row } from './environment.ts';
import { type Facts, omit } from './lifecycle.ts';
import { phaseOf } from './phase.ts';

export interface Assessment {
  state: EnvironmentState;
  desired: Desired;
  admission: Admission;
}

/** Puts the facts into the row, then computes what the environment should be and the name of its phase. Pure. */
export function assess(
  row: Pick<Row, 'state' | 'asks'>,
  facts: Facts,
  policy: Policy,
  now: number,
): Assessment {
  const seen = absorb(row.state, facts, now);
  const wanted = desired({ ...row, state: seen }, policy, now);
  const followed = follow(seen, wanted, now);
  const admission = admit(followed, wanted, now);
  return {
    state: withPhase(followed, phaseOf(followed, wanted, admission), now),
    desired: wanted,
    admission,
  };
}

/** Records since when the environment is not wanted, and drops what has no use from then on. */
function follow(state: EnvironmentState, { level, reason }: Desired, now: number): EnvironmentState {
  const isSame = state.wanted?.level === level && state.wanted.reason === reason;
  const told = isSame ? state : { ...state, wanted: { level, reason } };
  // A pull request that no forge has confirmed has nothing to close.
  if (!state.pull) return told;
  if (level !== 'absent' && level !== 'cold') return omit(told, 'closedAt', 'forgetAt');
  // What a host reported must never prevent the row from being saved.
  const closing = { ...omit(told, 'failure', 'timings'), services: [], warnings: [] };
  return { ...closing, closedAt: state.closedAt ?? now };
}

function withPhase(state: EnvironmentState, phase: EnvironmentState['phase'], now: number): EnvironmentState {
  return state.phase === phase ? state : { ...state, phase, phaseSince: now };
}
