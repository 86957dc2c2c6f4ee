import { PutObjectCommand } from '@aws-sdk/client-s3';
import { GetCommandInvocationCommand, SendCommandCommand } from '@aws-sdk/client-ssm';
import type { SmokeContext } from './smoke-context.ts';
import type { SmokeReport } from './smoke-report.ts';
import { deadline, until } from './until.ts';

/**
 * Makes the machine itself ask for an object of another mailbox, with its role. It uses AWS' own document for shell
 * commands, which nothing else of Eph uses; an operator who may not send it gets a message. The machine's reports
 * have already shown that it can use its own mailbox.
 */
export async function checkMailboxes(
  context: SmokeContext,
  instanceId: string,
  report: SmokeReport,
  stop: AbortSignal,
): Promise<void> {
  const { deployment, config, folder } = context;
  const { aws, settings } = deployment;
  if (context.local) return report.yes('mailbox', '');
  const Key = `hosts/${folder}next.json`;
  const Bucket = config.MAILBOX_BUCKET;
  await aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{}' }));
  const command = `aws s3api get-object --region ${settings.AWS_REGION} --bucket ${Bucket} --key ${Key} /dev/null 2>&1; true`;
  const sent = await aws.ssm
    .send(
      new SendCommandCommand({
        DocumentName: 'AWS-RunShellScript',
        InstanceIds: [instanceId],
        Parameters: { commands: [command] },
      }),
    )
    .catch((error: Error) => error);
  if (sent instanceof Error)
    return report.unknown('mailbox', `you may not send AWS-RunShellScript: ${sent.message}`);
  const CommandId = sent.Command?.CommandId;
  const output = await until(context, deadline(context, 'other'), stop, async () => {
    const invocation = await aws.ssm
      .send(new GetCommandInvocationCommand({ CommandId, InstanceId: instanceId }))
      .catch(() => undefined);
    const done = invocation && !['Pending', 'InProgress', 'Delayed'].includes(invocation.Status ?? 'Pending');
    return done ? (invocation.StandardOutputContent ?? '') : undefined;
  });
  if (output === undefined) return report.unknown('mailbox', 'the command did not end in time');
  if (/AccessDenied|403/.test(output)) return report.yes('mailbox', 'AccessDenied');
  if (/ContentLength|ETag/.test(output)) return report.no('mailbox', 'it was given the object');
  return report.unknown('mailbox', `the answer says neither: ${output.trim().slice(0, 200)}`);
}
