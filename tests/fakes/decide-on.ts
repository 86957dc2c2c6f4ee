import { admit } from '#core/admit';
import { desired, type Policy } from '#core/desired';
import type { EnvironmentState } from '#core/environment';
import { decide, type Facts, type Step } from '#core/lifecycle';

/** The step for a state as it stands, without facts taken into it. */
export function decideOn(
  state: EnvironmentState,
  facts: Facts,
  policy: Policy,
  reportDue: boolean,
  now: number,
): Step {
  const wanted = desired({ state }, policy, now);
  return decide(state, { desired: wanted, admission: admit(state, wanted, now), facts, reportDue }, now);
}
