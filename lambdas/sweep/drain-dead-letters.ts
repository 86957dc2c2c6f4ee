import { environmentKey } from '#core/names';
import { decodeMessage, type Message } from '../decode-message.ts';
import { wakeEach } from '../deliver.ts';
import type { Event } from '../ports.ts';
import type { World } from '../reconcile/run.ts';

/**
 * A message that failed five times is news to somebody: it is written into the environment's trace, logged
 * as an error (the alarm counts those), and it is told again.
 */
export async function drainDeadLetters(world: World): Promise<number> {
  const { ports } = world;
  return ports.jobs.drainDeadLetters(async (body) => {
    const decoded = decodeMessage(body);
    if (!decoded.ok) {
      ports.log({ level: 'error', message: `dead letter, unreadable: ${decoded.problem}` });
      return;
    }
    for (const message of decoded.messages) {
      const environment = await environmentOf(message, world);
      const delivery = message.kind === 'job' ? message.job.delivery : message.delivery;
      ports.log({
        level: 'error',
        message: 'dead letter',
        delivery,
        ...(environment ? { environment } : {}),
      });
      if (environment) await ports.records.putEvents(environment, delivery, [looksAgain(ports.now())]);
      // The job itself: a first word about a pull request is also what makes its row.
      if (message.kind === 'job') await ports.jobs.send(message.job);
      else if (environment) await wakeEach([environment], { delivery, cause: 'dead letter' }, world);
    }
  });
}

function looksAgain(at: number): Event {
  return { at, cause: 'dead letter', step: 'wake', outcome: 'looked at again', millis: 0 };
}

async function environmentOf(message: Message, world: World): Promise<string | undefined> {
  if (message.kind !== 'job') return world.ports.records.environmentOfHost(message.instanceId);
  const { job } = message;
  if (job.kind === 'wake') return job.environment;
  return job.kind === 'pull_request' ? environmentKey(job.repository.id, job.number) : undefined;
}
