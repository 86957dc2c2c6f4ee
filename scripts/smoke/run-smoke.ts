import type { Deployment } from '../../infra/deploy/deployment.ts';
import { readEnvFile } from '../../infra/settings/env-file.ts';
import { Interrupted } from '../../infra/terminal/interrupted.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { checkAsleep } from './check-page.ts';
import { cleanUp } from './clean-up.ts';
import { openSmokeContext, type SmokeContext, type SmokeOptions } from './smoke-context.ts';
import { createSmokeReport, type SmokeReport } from './smoke-report.ts';
import { machinesOf } from './smoke-things.ts';
import { deadline, until } from './until.ts';
import { walkThrough } from './walk-through.ts';

/**
 * `make smoke`: one machine with a built-in sample, without GitHub, and everything that only a real account can
 * confirm. It takes about five minutes and a cent, and always cleans up, also after Ctrl-C. The cleanup's garbage collection
 * does not touch what it makes: the garbage collection must see a stray twice, 45 minutes apart.
 *
 * @throws OperatorError when the answer to a point is no
 */
export async function runSmoke(deployment: Deployment, options?: SmokeOptions): Promise<void> {
  const { terminal } = deployment;
  const environment = await readEnvFile(deployment.envFile, process.env);
  const context = await openSmokeContext(deployment, options ?? { environment });
  terminal.heading('Smoke check: one machine, from launch to nothing left');
  const report = createSmokeReport(terminal, context.local);
  const stop = new AbortController();
  const onInterrupt = () => stop.abort(new Interrupted('Stopped; what was made is taken away.'));
  process.on('SIGINT', onInterrupt);
  options?.stop?.addEventListener('abort', onInterrupt);
  let failure: unknown;
  try {
    await terminal.during('Walking through it', (progress) => walk(context, report, progress, stop.signal));
  } catch (error) {
    failure = error;
    if (!stop.signal.aborted) terminal.mark('failed', error instanceof Error ? error.message : String(error));
  } finally {
    await terminal.during('Taking it away', (progress) => cleanUp(context, report, progress));
    process.off('SIGINT', onInterrupt);
  }
  const { no, unknown } = report.close();
  if (failure instanceof OperatorError) throw failure;
  if (no > 0 || failure !== undefined) {
    throw new OperatorError(
      `The smoke check ends with ${no} no and ${unknown} not shown.`,
      'Each no above has its fix; then make smoke again.',
    );
  }
  terminal.print(`\nNo point was answered with no${unknown > 0 ? `; ${unknown} are not shown` : ''}.`);
}

async function walk(
  context: SmokeContext,
  report: SmokeReport,
  progress: (detail: string) => void,
  stop: AbortSignal,
): Promise<void> {
  await walkThrough(context, report, progress, stop);
  progress('switching the machine off');
  const [machine] = (await machinesOf(context)).filter(
    ({ environment }) => environment === context.environment,
  );
  if (!machine) return;
  await context.ports.machines.stop(machine.instanceId);
  const off = await until(context, deadline(context, 'other'), stop, async () => {
    const found = await context.ports.machines.describe(machine.instanceId);
    return found?.power === 'off' ? true : undefined;
  });
  if (off) await checkAsleep(context, report, stop);
  else report.unknown('asleep', 'the machine did not switch off in time');
}
