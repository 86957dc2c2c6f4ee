import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ImageTool } from '../../../infra/deploy/deploy-tools.ts';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { imageStep, inputsTag, ourImages } from '../../../infra/deploy/image-step.ts';
import { openDeployment } from '../../../infra/deploy/open-deployment.ts';
import { imageInputs } from '../../../infra/image/image-files.ts';
import { readPins } from '../../../infra/image/pins.ts';
import { type LocalAws, startAws } from '../../../local/aws/start-aws.ts';
import { imageDestroyStep } from '../../../scripts/destroy/image-destroy-steps.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { createFakeHostDriver } from '../../local/aws/fake-host-driver.ts';

const subnet = (zone: string) => ({
  Type: 'AWS::EC2::Subnet',
  Properties: { VpcId: 'vpc-1', AvailabilityZone: zone },
});
const subnets = { A: subnet('us-east-1a'), B: subnet('us-east-1b') };

let aws: LocalAws;
let clock = Date.parse('2026-11-21T08:00:00Z');
beforeAll(async () => {
  const wireLog = { record: () => undefined, close: async () => undefined };
  const hostDriver = createFakeHostDriver();
  aws = await startAws({ template: { Resources: subnets }, hostDriver, wireLog, log: () => undefined });
});
afterAll(() => aws.close());

let count = 0;
/** A deployment of its own for each test, in one account; Packer's images have a tag with the hash of their inputs. */
async function deployment(settings: Record<string, string> = {}) {
  count += 1;
  const DEPLOYMENT_ID = `images-${count}`;
  const opened = await openDeployment(scriptedTerminal(), {
    EPH_ENV_FILE: '/dev/null',
    DEPLOYMENT_ID,
    AWS_ENDPOINT_URL: aws.url,
    ...aws.credentials.root(),
    PREVIEW_ZONE: 'acme.dev',
    PREVIEW_ZONE_ID: 'a'.repeat(32),
    CLOUDFLARE_ACCOUNT_ID: 'b'.repeat(32),
    ACCESS_TEAM: 'acme',
    ACCESS_ALLOW: '@acme.dev',
    GITHUB_OWNER: 'acme',
    GITHUB_APP_ID: '17',
    GITHUB_APP_SLUG: 'eph',
    ...settings,
  });
  const baked: string[] = [];
  const places: string[] = [];
  const image: ImageTool = {
    async build(architecture, { subnetId, instanceType }) {
      places.push(`${instanceType} in ${aws.network.subnets.find(({ id }) => id === subnetId)?.zone}`);
      clock += 1_000;
      const tags = { 'eph:deployment': DEPLOYMENT_ID, [inputsTag]: await imageInputs(architecture) };
      const { id } = aws.images.register({ name: `eph-${DEPLOYMENT_ID}-${clock}`, architecture, tags });
      baked.push(id);
      return id;
    },
  };
  const HostSubnetIds = aws.network.subnets.map(({ id }) => id).join(',');
  const outputs = { JobQueueUrl: '', MailboxBucketName: '', HostSubnetIds };
  return { ...opened, tools: { ...opened.tools, image }, found: { outputs }, baked, places };
}

const apply = (one: Deployment) => imageStep(one).apply(() => undefined);

describe('the machine image of a deploy', () => {
  let one: Awaited<ReturnType<typeof deployment>>;
  beforeEach(async () => {
    one = await deployment();
  });

  it('is baked once, named in Parameter Store, and then kept', async () => {
    expect(await imageStep(one).plan()).toEqual(['An image (x86_64) is baked, in about 8 minutes.']);
    await apply(one);
    expect(await one.parameters.read(one.names.image)).toBe(one.baked[0]);
    expect(await imageStep(one).plan()).toEqual([]);
    expect(await apply(one)).toBe('up to date');
    expect(one.baked).toHaveLength(1);
  });

  it('is baked again when one of its inputs changed, and the newest two stay', async () => {
    for (let age = 0; age < 4; age += 1) {
      await apply(one);
      aws.images.createTags([one.baked.at(-1) ?? ''], { [inputsTag]: 'older' });
    }
    expect(one.baked).toHaveLength(4);
    const [plan] = await imageStep(one).plan();
    expect(plan).toContain('what it is made of changed');
    const left = (await ourImages(one)).map(({ ImageId }) => ImageId);
    expect(left.toSorted()).toEqual(one.baked.slice(-2).toSorted());
  });

  it('is baked again when somebody deregistered it', async () => {
    await apply(one);
    aws.images.deregister(one.baked[0] ?? '', true);
    await apply(one);
    expect(await one.parameters.read(one.names.image)).toBe(one.baked[1]);
  });

  it('is not baked again from a checkout without pins, which uses those of the last one', async () => {
    const pins = `${await readPins()}NODE_VERSION=v24.0.0\n`;
    await apply(one);
    aws.images.createTags([one.baked[0] ?? ''], { [inputsTag]: await imageInputs('x86_64', pins) });
    expect(await imageStep(one).plan()).not.toEqual([]);
    await one.parameters.write(one.names.imagePins, pins);
    expect(await imageStep(one).plan()).toEqual([]);
  });

  it('is made twice with ARM64, once for each architecture', async () => {
    one = await deployment({ ARM64: 'true' });
    await apply(one);
    expect(one.baked).toHaveLength(2);
    expect(await one.parameters.read(one.names.imageArm64)).toBe(one.baked[1]);
    expect(await imageInputs('arm64')).not.toBe(await imageInputs('x86_64'));
  });

  it('is baked in a zone that has the machine type, and nowhere if no zone has it', async () => {
    const { unknownTypes } = aws.network.knobs;
    unknownTypes.add('us-east-1a t4g.small');
    one = await deployment({ ARM64: 'true' });
    await apply(one);
    expect(one.places).toEqual(['t3.small in us-east-1a', 't4g.small in us-east-1b']);
    unknownTypes.add('t3.small');
    const refused = apply(await deployment());
    await expect(refused).rejects.toThrow("No zone of the hosts' subnets in us-east-1 has t3.small");
    unknownTypes.clear();
  });

  it('is Amazon’s own with HOST_IMAGE=stock, and nothing is baked', async () => {
    one = await deployment({ HOST_IMAGE: 'stock' });
    await apply(one);
    expect(await one.parameters.read(one.names.image)).toMatch(/^ami-/);
    expect(one.baked).toEqual([]);
    expect(await imageStep(one).plan()).toEqual([]);
  });

  it('is removed with a snapshot that an interruption had left without its image', async () => {
    await apply(one);
    aws.images.deregister(one.baked[0] ?? '', false);
    const step = imageDestroyStep(one);
    expect(await step.list()).toHaveLength(1);
    await step.remove(() => undefined);
    expect(await step.list()).toEqual([]);
  });

  it('is removed with its snapshots when the deployment is destroyed, and another deployment’s stays', async () => {
    const other = await deployment();
    await apply(other);
    await apply(one);
    const step = imageDestroyStep(one);
    expect(await step.list()).toEqual([expect.stringContaining(one.baked[0] ?? '')]);
    await step.remove(() => undefined);
    expect(await step.list()).toEqual([]);
    expect(await ourImages(other)).toHaveLength(1);
    const snapshots = aws.images.describeSnapshots({ owners: ['self'] }).snapshots;
    expect(snapshots.filter(({ tags }) => tags['eph:deployment'] === one.settings.DEPLOYMENT_ID)).toEqual([]);
  });
});
