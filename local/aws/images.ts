/**
 * Machine images and the snapshots behind them. Pure: time and ids from outside.
 *
 * pending -> available -> gone (deregistered). A snapshot outlives its image unless the deregistration says
 * otherwise; until then it cannot be deleted (InvalidSnapshot.InUse). Machines from a deregistered image go on
 * running; a new one cannot be launched from it.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/deregister-ami.html
 */
import { AwsError } from './aws-error.ts';
import { checkFilters, type Filter, filtered, type Page, paged, tagValues } from './ec2-filters.ts';
import type { Tags } from './ec2-launch.ts';

export interface Image {
  id: string;
  name: string;
  architecture: 'x86_64' | 'arm64';
  /** `self` for images of this account; Amazon Linux belongs to `amazon`. */
  owner: 'self' | 'amazon';
  state: 'pending' | 'available';
  createdAt: number;
  tags: Tags;
  snapshotId: string;
}

export interface Snapshot {
  id: string;
  startedAt: number;
  tags: Tags;
  description: string;
}

export interface NewImage {
  name: string;
  architecture?: Image['architecture'];
  owner?: Image['owner'];
  tags?: Tags;
  /** Default: a new one. */
  id?: string;
}

export interface Images {
  /** Registers an image as Packer does: the image, and the snapshot of its disk with the same tags. */
  register(image: NewImage): Image;
  describe(query: { ids?: string[]; owners?: string[]; filters?: Filter[] } & Page): {
    images: Image[];
    nextToken?: string;
  };
  /** @returns the snapshots that were deleted with it */
  deregister(id: string, withSnapshots: boolean): string[];
  describeSnapshots(query: { ids?: string[]; owners?: string[]; filters?: Filter[] } & Page): {
    snapshots: Snapshot[];
    nextToken?: string;
  };
  deleteSnapshot(id: string): void;
  createTags(ids: readonly string[], tags: Tags): void;
  find(id: string): Image | undefined;
  findSnapshot(id: string): Snapshot | undefined;
}

export function createImages({ now, newId }: { now: () => number; newId: () => string }): Images {
  const images = new Map<string, Image>();
  const snapshots = new Map<string, Snapshot>();

  function imageOf(id: string): Image {
    if (!/^ami-[0-9a-f]{8,17}$/.test(id)) {
      throw new AwsError('InvalidAMIID.Malformed', `Invalid id: "${id}" (expecting "ami-...")`);
    }
    const image = images.get(id);
    if (!image) throw new AwsError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
    return image;
  }

  function snapshotOf(id: string): Snapshot {
    const snapshot = snapshots.get(id);
    if (!snapshot) throw new AwsError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
    return snapshot;
  }

  function deleteSnapshot(id: string): void {
    snapshotOf(id);
    const user = [...images.values()].find(({ snapshotId }) => snapshotId === id);
    if (user) {
      throw new AwsError('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${user.id}`);
    }
    snapshots.delete(id);
  }

  return {
    register({ name, architecture = 'x86_64', owner = 'self', tags = {}, id = `ami-${newId()}` }) {
      const taken = [...images.values()].find((image) => image.name === name && image.owner === owner);
      if (taken) {
        throw new AwsError(
          'InvalidAMIName.Duplicate',
          `AMI name ${name} is already in use by AMI ${taken.id}`,
        );
      }
      const snapshotId = `snap-${newId()}`;
      const description = `Created by CreateImage for ${id}`;
      snapshots.set(snapshotId, { id: snapshotId, startedAt: now(), tags: { ...tags }, description });
      const made: Image = {
        id,
        name,
        architecture,
        owner,
        state: 'available',
        createdAt: now(),
        tags: { ...tags },
        snapshotId,
      };
      images.set(id, made);
      return made;
    },
    describe({ ids = [], owners = [], filters = [], ...page }) {
      checkFilters(filters, imageFilters);
      const named = ids.length > 0 ? ids.map(imageOf) : [...images.values()];
      const owned = named.filter(({ owner }) => owners.length === 0 || owners.includes(owner));
      const { things, ...rest } = paged(filtered(owned, filters, imageValues), page);
      return { images: things, ...rest };
    },
    deregister(id, withSnapshots) {
      const { snapshotId, owner } = imageOf(id);
      if (owner !== 'self') throw new AwsError('AuthFailure', `Not authorized for image:${id}`, 403);
      images.delete(id);
      if (!withSnapshots) return [];
      deleteSnapshot(snapshotId);
      return [snapshotId];
    },
    describeSnapshots({ ids = [], owners = [], filters = [], ...page }) {
      checkFilters(filters, snapshotFilters);
      const named = ids.length > 0 ? ids.map(snapshotOf) : [...snapshots.values()];
      const owned = owners.length === 0 || owners.includes('self') ? named.filter(isOwn) : [];
      const { things, ...rest } = paged(filtered(owned, filters, snapshotValues), page);
      return { snapshots: things, ...rest };
    },
    deleteSnapshot,
    createTags(ids, tags) {
      for (const id of ids) Object.assign((id.startsWith('ami-') ? imageOf(id) : snapshotOf(id)).tags, tags);
    },
    find: (id) => images.get(id),
    findSnapshot: (id) => snapshots.get(id),
  };

  function isOwn({ id }: Snapshot): boolean {
    const image = [...images.values()].find(({ snapshotId }) => snapshotId === id);
    return image?.owner !== 'amazon';
  }
}

const imageFilters = ['tag', 'tag-key', 'name', 'image-id', 'state', 'architecture'];
const snapshotFilters = ['tag', 'tag-key', 'snapshot-id', 'description', 'status'];

function imageValues(image: Image, filter: string): string[] | undefined {
  const { id, name, state, architecture } = image;
  const direct: Record<string, string> = { 'image-id': id, name, state, architecture };
  const value = direct[filter];
  return value === undefined ? tagValues(image.tags, filter) : [value];
}

function snapshotValues({ id, description, tags }: Snapshot, filter: string): string[] | undefined {
  const direct: Record<string, string> = { 'snapshot-id': id, description, status: 'completed' };
  const value = direct[filter];
  return value === undefined ? tagValues(tags, filter) : [value];
}
