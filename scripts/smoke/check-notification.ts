import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import type { SmokeContext } from './smoke-context.ts';
import type { SmokeReport } from './smoke-report.ts';
import { deadline, seconds, until } from './until.ts';

/** Checks a report of a machine that belongs to no environment: the deployer logs it, with the machine's id. */
export async function checkNotification(
  context: SmokeContext,
  instanceId: string,
  report: SmokeReport,
  stop: AbortSignal,
): Promise<void> {
  const { deployment, logGroup: logGroupName } = context;
  if (!logGroupName) return report.unknown('notification', 'the stack does not name the log of the deployer');
  const { mailbox } = context.ports;
  const written = ((await mailbox.progress(instanceId)) ?? (await mailbox.result(instanceId)))?.at;
  const logged = await until(context, deadline(context, 'other'), stop, async () => {
    const filterPattern = `"${instanceId}"`;
    const startTime = deployment.now() - 60 * 60_000;
    const found = await deployment.aws.logs.send(
      new FilterLogEventsCommand({ logGroupName, filterPattern, startTime }),
    );
    return found.events?.find(({ message }) => message?.includes('report'))?.timestamp;
  });
  if (logged === undefined) return report.no('notification', 'the deployer never heard of it');
  const late = Math.max(0, logged - (written ?? logged));
  report.yes('notification', `about ${seconds(late)} after it was written`);
}
