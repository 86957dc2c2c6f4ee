import { absorbPause } from '#core/absorb';
import { assertNever, type Step } from '#core/lifecycle';
import { PAUSE_MAX_AGE_AT_LAUNCH } from '#core/limits';
import { finalize } from './finalize.ts';
import { giveUp } from './give-up.ts';
import { launchHost } from './launch-host.ts';
import { notifyHost } from './notify-host.ts';
import { openAddress } from './open-address.ts';
import { readSettings } from './read-settings.ts';
import { replaceHost } from './replace-host.ts';
import { reportToPeople } from './report-to-people.ts';
import type { Run, StepResult } from './run.ts';
import { startHost } from './start-host.ts';
import { stopHost } from './stop-host.ts';
import { terminateHost } from './terminate-host.ts';
import { withdrawAddress } from './withdraw-address.ts';
import { writeSpec } from './write-spec.ts';

/** The table of contents: one file per step, in the order in which a pull request goes through them. */
export function performStep(
  run: Run,
  step: Exclude<Step, { kind: 'wait' | 'ask-forge' }>,
): Promise<StepResult> {
  switch (step.kind) {
    case 'read-settings':
      return readSettings(run);
    case 'launch-host':
      return unlessPaused(run, launchHost);
    case 'start-host':
      return unlessPaused(run, startHost);
    case 'replace-host':
      return replaceHost(run);
    case 'open-address':
      return openAddress(run);
    case 'write-spec':
      return writeSpec(run);
    case 'notify-host':
      return notifyHost(run);
    case 'report':
      return reportToPeople(run);
    case 'give-up':
      return giveUp(run, step.failure);
    case 'withdraw-address':
      return withdrawAddress(run);
    case 'stop-host':
      return stopHost(run);
    case 'terminate-host':
      return terminateHost(run);
    case 'finalize':
      return finalize(run, step.forget);
    default:
      return assertNever(step);
  }
}

/** The run's own pause may be a minute old; a pause holds for every machine that is switched on after it. */
async function unlessPaused(run: Run, step: (run: Run) => Promise<StepResult>): Promise<StepResult> {
  const { operator } = run.deps.ports;
  const pause = await operator.pause(PAUSE_MAX_AGE_AT_LAUNCH);
  if (pause === 'no') return step(run);
  return { state: absorbPause(run.row.state, pause), outcome: `paused: ${pause}` };
}
