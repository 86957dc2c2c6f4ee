import {
  type _InstanceType,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeSubnetsCommand,
  type Image,
  paginateDescribeImages,
} from '@aws-sdk/client-ec2';
import { tags } from '#core/names';
import { imageInputs } from '../image/image-files.ts';
import { pinsOf } from '../image/resolve-pins.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Architecture } from './deploy-tools.ts';
import type { Deployment } from './deployment.ts';
import { requireOutputs } from './require-outputs.ts';

/** The newest two stay: a deploy of the previous version launches from the older one. */
export const KEPT_IMAGES = 2;
export const inputsTag = 'eph:inputs';

/** Amazon's pointer to its newest image. https://docs.aws.amazon.com/linux/al2023/ug/ec2.html */
const stockParameter = (architecture: Architecture) =>
  `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;

/**
 * The image that hosts boot from, named in Parameter Store. It is baked if one of its inputs changed, and otherwise
 * kept. With HOST_IMAGE=stock it is Amazon's own, and hosts install the rest at their first boot.
 */
export function imageStep(deployment: Deployment): DeployStep {
  const { settings } = deployment;
  const architectures: Architecture[] = settings.ARM64 ? ['x86_64', 'arm64'] : ['x86_64'];
  return {
    title: `Machine image (${settings.HOST_IMAGE})`,
    async plan() {
      const missing: string[] = [];
      for (const architecture of architectures) {
        const problem = await lacking(deployment, architecture);
        if (problem) missing.push(problem);
      }
      return missing;
    },
    async apply(progress) {
      const done: string[] = [];
      for (const architecture of architectures) {
        if (await lacking(deployment, architecture)) {
          done.push(await bringImage(deployment, architecture, progress));
        }
      }
      const pruned = await pruneImages(deployment);
      if (pruned > 0) done.push(`${pruned} old ${pruned === 1 ? 'image' : 'images'} removed`);
      return done.length > 0 ? done.join('; ') : 'up to date';
    },
  };
}

/** Bakes the image, or finds Amazon's, and names it in Parameter Store. @returns what it did */
export async function bringImage(
  deployment: Deployment,
  architecture: Architecture,
  progress: (detail: string) => void,
): Promise<string> {
  const { settings, parameters, tools } = deployment;
  const parameter = parameterOf(deployment, architecture);
  if (settings.HOST_IMAGE === 'stock') {
    const image = await stockImage(deployment, architecture);
    await parameters.write(parameter, image);
    return `${architecture}: Amazon Linux 2023, ${image}`;
  }
  const id = await tools.image.build(
    architecture,
    {
      deploymentId: settings.DEPLOYMENT_ID,
      region: settings.AWS_REGION,
      ...(await placeToBake(deployment, architecture)),
    },
    progress,
  );
  await parameters.write(parameter, id);
  return `${architecture}: ${id} baked`;
}

const bakedOn: Record<Architecture, _InstanceType> = { x86_64: 't3.small', arm64: 't4g.small' };

/**
 * A subnet of the hosts in a zone that offers the type: in some regions one zone lacks it, and which one depends on
 * the account.
 */
async function placeToBake(
  deployment: Deployment,
  architecture: Architecture,
): Promise<{ subnetId: string; instanceType: string }> {
  const { aws, settings } = deployment;
  const { HostSubnetIds = '' } = await requireOutputs(deployment);
  const instanceType = bakedOn[architecture];
  const [{ Subnets = [] }, { InstanceTypeOfferings = [] }] = await Promise.all([
    aws.ec2.send(new DescribeSubnetsCommand({ SubnetIds: HostSubnetIds.split(',') })),
    aws.ec2.send(
      new DescribeInstanceTypeOfferingsCommand({
        LocationType: 'availability-zone',
        Filters: [{ Name: 'instance-type', Values: [instanceType] }],
      }),
    ),
  ]);
  const zones = InstanceTypeOfferings.map(({ Location }) => Location);
  const subnetId = Subnets.find(({ AvailabilityZone }) => zones.includes(AvailabilityZone))?.SubnetId;
  if (subnetId) return { subnetId, instanceType };
  throw new OperatorError(
    `No zone of the hosts' subnets in ${settings.AWS_REGION} has ${instanceType}, on which the image (${architecture}) is baked.`,
    'More ZONES; other subnets, where they are yours; or HOST_IMAGE=stock.',
  );
}

/** Why a new image is needed; undefined if the present one is right. */
export async function lacking(
  deployment: Deployment,
  architecture: Architecture,
): Promise<string | undefined> {
  const { settings, parameters } = deployment;
  const current = await parameters.read(parameterOf(deployment, architecture));
  if (settings.HOST_IMAGE === 'stock') {
    const stock = await stockImage(deployment, architecture);
    return current === stock ? undefined : `Hosts (${architecture}) boot from Amazon Linux 2023, ${stock}.`;
  }
  const image = current && (await findImage(deployment, current));
  if (!image) return `An image (${architecture}) is baked, in about 8 minutes.`;
  const inputs = image.Tags?.find(({ Key }) => Key === inputsTag)?.Value;
  return inputs === (await imageInputs(architecture, await pinsOf(deployment)))
    ? undefined
    : `A new image (${architecture}) is baked, in about 8 minutes: what it is made of changed.`;
}

export function parameterOf({ names }: Deployment, architecture: Architecture): string {
  return architecture === 'arm64' ? names.imageArm64 : names.image;
}

async function findImage({ aws }: Deployment, id: string): Promise<Image | undefined> {
  try {
    const { Images } = await aws.ec2.send(new DescribeImagesCommand({ ImageIds: [id] }));
    return Images?.find(({ State }) => State === 'available');
  } catch (error) {
    if (error instanceof Error && error.name.startsWith('InvalidAMIID')) return undefined;
    throw error;
  }
}

async function stockImage({ parameters, settings }: Deployment, architecture: Architecture): Promise<string> {
  const image = await parameters.read(stockParameter(architecture));
  if (image) return image;
  throw new OperatorError(
    `AWS names no Amazon Linux 2023 image for ${architecture} in ${settings.AWS_REGION}.`,
    'Look at AWS_REGION; or HOST_IMAGE=baked.',
  );
}

/** This deployment's images, found by its mark; newest first. */
export async function ourImages({ aws, settings }: Deployment): Promise<Image[]> {
  const found: Image[] = [];
  const ours = { Name: `tag:${tags.deployment}`, Values: [settings.DEPLOYMENT_ID] };
  for await (const page of paginateDescribeImages(
    { client: aws.ec2 },
    { Owners: ['self'], Filters: [ours] },
  )) {
    found.push(...(page.Images ?? []));
  }
  return found.toSorted((a, b) => (b.CreationDate ?? '').localeCompare(a.CreationDate ?? ''));
}

/** Removes the image and its snapshots, which stay after deregistering (and cost money). */
export async function removeImage({ aws }: Deployment, image: Image): Promise<void> {
  await aws.ec2.send(new DeregisterImageCommand({ ImageId: image.ImageId }));
  for (const { Ebs } of image.BlockDeviceMappings ?? []) {
    if (Ebs?.SnapshotId) await aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: Ebs.SnapshotId }));
  }
}

async function pruneImages(deployment: Deployment): Promise<number> {
  const { parameters, names } = deployment;
  const inUse = await Promise.all([parameters.read(names.image), parameters.read(names.imageArm64)]);
  let count = 0;
  for (const architecture of ['x86_64', 'arm64']) {
    const images = (await ourImages(deployment)).filter(({ Architecture: its }) => its === architecture);
    for (const image of images.slice(KEPT_IMAGES)) {
      if (inUse.includes(image.ImageId)) continue;
      await removeImage(deployment, image);
      count += 1;
    }
  }
  return count;
}
