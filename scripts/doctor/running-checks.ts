import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { parsePause } from '#core/pause';
import { findStuck } from '#core/stuck';
import { healthAddress } from '../../infra/deploy/health-address.ts';
import { dynamoEnvironments } from '../../lambdas/adapters/dynamo-environments.ts';
import { environmentsTable } from '../destroy/environments-table.ts';
import { pullOf } from '../logs/find-environment.ts';
import { bad, type Check, good, NotChecked, type Verdict, warning } from './check.ts';
import type { Prerequisites } from './prerequisites.ts';

/** Checks of the running deployment. */
export function runningChecks(known: Prerequisites): Check[] {
  const group = 'What runs';
  return [
    { group, title: 'Worker', run: () => checkWorker(known) },
    { group, title: 'Paused', run: () => checkPause(known) },
    { group, title: 'Dead letters', run: () => checkDeadLetters(known) },
    { group, title: 'Environments', run: () => checkEnvironments(known) },
  ];
}

async function checkWorker({ outputs, deployment }: Prerequisites): Promise<Verdict> {
  await outputs();
  const { settings } = deployment;
  const address = healthAddress(deployment);
  const reply = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(15_000) }).catch(
    (error: Error) => error,
  );
  if (reply instanceof Error) {
    return bad(
      `The Worker does not answer at ${address}: ${causeOf(reply)}`,
      'make deploy; a new host name of the zone can take some minutes.',
    );
  }
  if (reply.status >= 300 && reply.status < 400) {
    const to = reply.headers.get('location') ?? '';
    return bad(
      `${address} leads away (${reply.status}) to ${new URL(to, address).host}: GitHub cannot sign in there.`,
      `No Access application and no redirect rule may cover ${settings.WEBHOOK_HOST}.`,
    );
  }
  const answer: unknown = await reply.json().catch(() => undefined);
  const said = typeof answer === 'object' && answer !== null ? { ...answer } : {};
  if (reply.ok && 'version' in said)
    return good(`The Worker answers at ${address}, version ${String(said.version)}`);
  const why = 'error' in said ? `: ${String(said.error)}` : '';
  return bad(`The Worker answers ${reply.status} at ${address}${why}`, 'make deploy brings it up to date.');
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function checkPause({ aws, deployment }: Prerequisites): Promise<Verdict> {
  await aws();
  const pause = parsePause(await deployment.parameters.read(deployment.names.paused));
  switch (pause) {
    case 'no':
      return good('Not paused');
    case 'launches':
      return warning('Paused: no machine is launched or started.', 'make resume');
    case 'everything':
      return warning('Paused: no machine is launched, and the running ones are off.', 'make resume');
    case 'closed':
      return bad(
        'Eph is being taken down: every pull request counts as closed.',
        'make destroy ends it; make resume goes back.',
      );
  }
}

async function checkDeadLetters({ aws, outputs, deployment }: Prerequisites): Promise<Verdict> {
  const { sqs } = await aws();
  const { DeadLetterQueueUrl: QueueUrl } = await outputs();
  if (!QueueUrl) throw new NotChecked('the stack was deployed by an older version (make deploy)');
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
  );
  const count = Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  if (count === 0) return good('No dead letters');
  return bad(
    `${count} ${count === 1 ? 'job' : 'jobs'} could not be done, and lie in the dead-letter queue.`,
    `make logs SINCE=2h${envOf(deployment.envFile)} says why. The hourly cleanup takes them up again by itself.`,
  );
}

async function checkEnvironments({ aws, outputs, deployment }: Prerequisites): Promise<Verdict[]> {
  const { dynamodb } = await aws();
  await outputs();
  const table = await environmentsTable(deployment);
  if (!table) throw new NotChecked('their table is not there');
  const { rows, unreadable } = await dynamoEnvironments(dynamodb, table).all();
  const alive = rows.filter(({ state }) => !['destroyed', 'declined'].includes(state.phase));
  const stuck = findStuck(rows, deployment.now());
  const newer = unreadable.length > 0 ? [unreadableRows(unreadable)] : [];
  if (stuck.length === 0) {
    const count = `${alive.length} ${alive.length === 1 ? 'environment' : 'environments'}`;
    return [...newer, good(`${count}, none is stuck`)];
  }
  const verdicts = stuck.slice(0, 10).map((key) => {
    const row = rows.find((one) => one.key === key);
    const name = row ? pullOf(row) : key;
    return bad(
      `${name} does not get on: ${row?.state.phase ?? 'unknown'} since ${new Date(row?.state.phaseSince ?? 0).toISOString()}.`,
      `make trace PR=${name}${envOf(deployment.envFile)} and make logs PR=${name} SINCE=6h${envOf(deployment.envFile)} say why; a push to it, or closing it, begins anew.`,
    );
  });
  return [...newer, ...verdicts];
}

function unreadableRows(keys: readonly string[]): Verdict {
  return bad(
    `What is written of ${keys.slice(0, 10).join(', ')} is newer than this checkout. The hourly cleanup leaves it alone.`,
    'Check out the version that wrote it, then make deploy.',
  );
}

function envOf(file: string): string {
  return file === '.env' ? '' : ` ENV=${file}`;
}
