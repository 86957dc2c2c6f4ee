/** Images and snapshots on the wire; https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ */
import { readFilters, readPage, type Tree, tagsXml, text, texts, type Xml } from './ec2-query.ts';
import type { Ec2Operation } from './ec2-wire.ts';
import type { Image, Snapshot } from './images.ts';

const ACCOUNT = '000000000000';
const SIZE_GB = 8;

export const imageOperations: Readonly<Record<string, Ec2Operation>> = {
  DescribeImages({ images }, tree) {
    const found = images.describe({
      ids: texts(tree, 'ImageId'),
      owners: owners(tree),
      filters: readFilters(tree),
      ...readPage(tree),
    });
    return { imagesSet: found.images.map(imageXml), nextToken: found.nextToken };
  },
  DeregisterImage({ images }, tree) {
    const withSnapshots = text(tree, 'DeleteAssociatedSnapshots') === 'true';
    const gone = images.deregister(text(tree, 'ImageId') ?? '', withSnapshots);
    const results = gone.map((snapshotId) => ({ snapshotId, returnCode: 'success' }));
    return { return: true, ...(withSnapshots && { deleteSnapshotResultSet: results }) };
  },
  DescribeSnapshots({ images }, tree) {
    const found = images.describeSnapshots({
      ids: texts(tree, 'SnapshotId'),
      owners: owners(tree),
      filters: readFilters(tree),
      ...readPage(tree),
    });
    return { snapshotSet: found.snapshots.map(snapshotXml), nextToken: found.nextToken };
  },
  DeleteSnapshot({ images }, tree) {
    images.deleteSnapshot(text(tree, 'SnapshotId') ?? '');
    return { return: true };
  },
};

function owners(tree: Tree): string[] {
  return texts(tree, 'Owner').map((owner) => (owner === ACCOUNT ? 'self' : owner));
}

function imageXml(image: Image): Xml {
  return {
    imageId: image.id,
    name: image.name,
    imageState: image.state,
    imageOwnerId: image.owner === 'self' ? ACCOUNT : '137112412989',
    imageType: 'machine',
    isPublic: image.owner === 'amazon',
    architecture: image.architecture,
    creationDate: new Date(image.createdAt).toISOString(),
    rootDeviceName: '/dev/xvda',
    rootDeviceType: 'ebs',
    virtualizationType: 'hvm',
    blockDeviceMapping: [
      {
        deviceName: '/dev/xvda',
        ebs: { snapshotId: image.snapshotId, volumeSize: SIZE_GB, volumeType: 'gp3' },
      },
    ],
    tagSet: tagsXml(image.tags),
  };
}

function snapshotXml(snapshot: Snapshot): Xml {
  return {
    snapshotId: snapshot.id,
    ownerId: ACCOUNT,
    status: 'completed',
    progress: '100%',
    volumeSize: SIZE_GB,
    startTime: new Date(snapshot.startedAt).toISOString(),
    description: snapshot.description,
    tagSet: tagsXml(snapshot.tags),
  };
}
