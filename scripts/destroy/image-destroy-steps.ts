import { DeleteSnapshotCommand, paginateDescribeSnapshots } from '@aws-sdk/client-ec2';
import { tags } from '#core/names';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { ourImages, removeImage } from '../../infra/deploy/image-step.ts';

/** Images with this deployment's mark, and the snapshots behind them. */
export function imageDestroyStep(deployment: Deployment): DestroyStep {
  return {
    title: 'Machine images and their snapshots',
    async list() {
      const images = (await ourImages(deployment)).map(
        ({ ImageId, Name }) => `${ImageId} (${Name ?? 'without a name'})`,
      );
      // Removing an image also removes its snapshots; a snapshot without an image was left by an interruption.
      return images.length > 0 ? images : await ourSnapshots(deployment);
    },
    async remove(progress) {
      for (const image of await ourImages(deployment)) {
        progress(image.ImageId ?? '');
        await removeImage(deployment, image);
      }
      for (const SnapshotId of await ourSnapshots(deployment)) {
        await deployment.aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId }));
      }
    },
  };
}

/** Ids of those with this deployment's mark. */
async function ourSnapshots({ aws, settings }: Deployment): Promise<string[]> {
  const found: string[] = [];
  const ours = { Name: `tag:${tags.deployment}`, Values: [settings.DEPLOYMENT_ID] };
  const query = { OwnerIds: ['self'], Filters: [ours] };
  for await (const page of paginateDescribeSnapshots({ client: aws.ec2 }, query)) {
    for (const { SnapshotId } of page.Snapshots ?? []) if (SnapshotId) found.push(SnapshotId);
  }
  return found;
}
