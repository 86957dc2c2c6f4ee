import { DeleteObjectsCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { SmokeContext } from './smoke-context.ts';
import type { SmokeReport } from './smoke-report.ts';
import { machinesOf, recordsOf, tunnelsOf } from './smoke-things.ts';
import { deadline, seconds, until } from './until.ts';

/**
 * Removes what this smoke check and earlier ones that were killed have made, found by its marks: records first, then
 * tunnels (a machine that ends closes its own connections), machines, objects. Then it checks whether anything is
 * left. It is never stopped in the middle.
 */
export async function cleanUp(
  context: SmokeContext,
  report: SmokeReport,
  progress: (detail: string) => void,
) {
  const { ports, deployment } = context;
  const never = new AbortController().signal;
  progress('terminating the machine');
  const machines = await machinesOf(context);
  for (const { instanceId } of machines) await ports.machines.terminate(instanceId);

  progress('deleting record and tunnel');
  const startedAt = deployment.now();
  for (const { id } of await recordsOf(context)) await ports.tunnels.deleteRecord(id);
  let refusal = '';
  const deleted = await until(context, deadline(context, 'other'), never, async () => {
    try {
      for (const { id } of await tunnelsOf(context)) await ports.tunnels.deleteTunnel(id);
      return true;
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  });
  if (deleted) report.yes('deletion', `done in ${seconds(deployment.now() - startedAt)}`);
  else report.no('deletion', refusal);

  progress('waiting until the machine is gone');
  await until(context, deadline(context, 'other'), never, async () =>
    (await machinesOf(context)).length === 0 ? true : undefined,
  );
  for (const { instanceId } of machines) await ports.mailbox.clear(instanceId);
  await deleteObjects(context);

  const left = await whatIsLeft(context);
  if (left.length === 0) report.yes('cleanup', 'looked for by marks: machines, tunnels, records, objects');
  else report.no('cleanup', left.join(', '));
}

async function whatIsLeft(context: SmokeContext): Promise<string[]> {
  const [machines, records, tunnels, keys] = await Promise.all([
    machinesOf(context),
    recordsOf(context),
    tunnelsOf(context),
    objectsOf(context),
  ]);
  return [
    ...machines.map(({ instanceId }) => `machine ${instanceId}`),
    ...records.map(({ hostname }) => `record ${hostname}`),
    ...tunnels.map(({ id }) => `tunnel ${id}`),
    ...keys.map((key) => `object ${key}`),
  ];
}

/** The objects of all smoke checks: `smoke/<number>/`, and the mailbox that belongs to no machine. */
async function objectsOf({ deployment, config }: SmokeContext): Promise<string[]> {
  const keys: string[] = [];
  for (const Prefix of ['smoke/', 'hosts/smoke/']) {
    const pages = paginateListObjectsV2(
      { client: deployment.aws.s3 },
      { Bucket: config.MAILBOX_BUCKET, Prefix },
    );
    for await (const { Contents = [] } of pages) keys.push(...Contents.flatMap(({ Key }) => Key ?? []));
  }
  return keys;
}

async function deleteObjects(context: SmokeContext): Promise<void> {
  const Objects = (await objectsOf(context)).map((Key) => ({ Key }));
  if (Objects.length === 0) return;
  await context.deployment.aws.s3.send(
    new DeleteObjectsCommand({ Bucket: context.config.MAILBOX_BUCKET, Delete: { Objects } }),
  );
}
