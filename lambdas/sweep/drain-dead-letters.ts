import { environmentKey } from '#core/environment-key';
import type { Job } from '#core/job';
import { assertNever } from '#core/lifecycle';
import { decodeMessage } from '../decode-message.ts';
import { wakeEach } from '../deliver.ts';
import type { Event } from '../ports.ts';
import type { Dependencies } from '../reconcile/run.ts';

/**
 * A message that failed five times must be reported: it is written into the environment's trace, logged as an error
 * (the alarm counts those), and sent again.
 */
export async function drainDeadLetters(deps: Dependencies): Promise<number> {
  const { ports } = deps;
  return ports.jobs.drainDeadLetters(async (body) => {
    const message = await decodeMessage(body, ports.compute);
    switch (message.kind) {
      case 'malformed':
        ports.log({ level: 'error', message: `dead letter, unreadable: ${message.problem}` });
        return;
      case 'job':
        await note(environmentOf(message.job), message.job.delivery, deps);
        // The job itself is sent: the first message about a pull request also makes its row.
        return ports.jobs.send(message.job);
      case 'sightings':
        for (const { environment, delivery } of message.sightings) {
          await note(environment, delivery, deps);
          await wakeEach([environment], { delivery, cause: 'dead letter' }, deps);
        }
        return;
      default:
        return assertNever(message);
    }
  });
}

async function note(
  environment: string | undefined,
  delivery: string,
  { ports }: Dependencies,
): Promise<void> {
  ports.log({ level: 'error', message: 'dead letter', delivery, ...(environment ? { environment } : {}) });
  if (environment) await ports.records.putEvents(environment, delivery, [looksAgain(ports.now())]);
}

function looksAgain(at: number): Event {
  return { at, cause: 'dead letter', step: 'wake', outcome: 'looked at again', millis: 0 };
}

function environmentOf(job: Job): string | undefined {
  if (job.kind === 'wake') return job.environment;
  return job.kind === 'pull_request' ? environmentKey(job.repository.id, job.number, job.forge) : undefined;
}
