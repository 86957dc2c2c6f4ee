import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { buildAgent } from '../../host/build-agent.ts';
import { agentObjectKey, provisionObjectKey } from '../../lambdas/providers/ec2/host-boot.ts';
import { provisionScript } from '../image/provision-script.ts';
import { pinsOf } from '../image/resolve-pins.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { requireOutputs } from './require-outputs.ts';

interface Upload {
  key: string;
  body: Uint8Array | string;
  type: string;
  what: string;
}

/**
 * The files that hosts fetch at boot: the agent, and for stock images the script that makes a machine a host. Each is
 * named by its hash, so a new version is a new object; the old ones stay for the hosts that were launched with them.
 */
export function uploadStep(deployment: Deployment): DeployStep {
  return {
    title: 'Host agent in the bucket',
    async plan() {
      const uploads = await wanted(deployment);
      if (!deployment.found.outputs) return uploads.map(({ what }) => `${what} is uploaded.`);
      return (await missing(deployment, uploads)).map(({ what }) => `${what} is uploaded.`);
    },
    async apply(progress) {
      const { MailboxBucketName: Bucket } = await requireOutputs(deployment);
      const uploads = await missing(deployment, await wanted(deployment));
      for (const { key, body, type, what } of uploads) {
        progress(what);
        await deployment.aws.s3.send(
          new PutObjectCommand({ Bucket, Key: key, Body: body, ContentType: type }),
        );
      }
      return uploads.length === 0 ? 'there already' : uploads.map(({ what }) => what).join(', ');
    },
  };
}

async function wanted(deployment: Deployment): Promise<Upload[]> {
  const { settings, found } = deployment;
  found.agent ??= buildAgent();
  const agent = await found.agent;
  const uploads: Upload[] = [
    {
      key: agentObjectKey(agent.sha256),
      body: agent.code,
      type: 'text/javascript',
      what: `agent ${agent.sha256.slice(0, 12)}`,
    },
  ];
  if (settings.HOST_IMAGE === 'stock') {
    const { text, sha256 } = await provisionScript(await pinsOf(deployment));
    uploads.push({
      key: provisionObjectKey(sha256),
      body: text,
      type: 'text/x-shellscript',
      what: `provisioning ${sha256.slice(0, 12)}`,
    });
  }
  return uploads;
}

async function missing(deployment: Deployment, uploads: readonly Upload[]): Promise<Upload[]> {
  const { MailboxBucketName: Bucket } = await requireOutputs(deployment);
  const lacking: Upload[] = [];
  for (const upload of uploads) {
    try {
      await deployment.aws.s3.send(new HeadObjectCommand({ Bucket, Key: upload.key }));
    } catch (error) {
      if (!(error instanceof Error) || !['NotFound', 'NoSuchKey'].includes(error.name)) throw error;
      lacking.push(upload);
    }
  }
  return lacking;
}
