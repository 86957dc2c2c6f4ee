import { DescribeImagesCommand, DescribeRouteTablesCommand, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { tags } from '#core/names';
import { listWorkerKeys } from '../../infra/deploy/worker-key.ts';
import { liveKeyId, workerScript } from '../../infra/deploy/worker-secrets.ts';
import { stackName } from '../../infra/settings/settings.ts';
import { bad, type Check, good, NotChecked, type Verdict, warning } from './check.ts';
import type { Prerequisites } from './prerequisites.ts';

const DAY = 24 * 60 * 60 * 1000;
/** The programs in an image get security updates; two months without them are long. */
const IMAGE_FRESH_MS = 60 * DAY;

/** Checks of what a deploy has made in AWS. */
export function stackChecks(known: Prerequisites): Check[] {
  const group = 'Stack in AWS';
  const { ARM64 } = known.deployment.settings;
  const { names } = known.deployment;
  const image = (title: string, parameter: string): Check => ({
    group,
    title,
    run: () => checkImage(known, parameter),
  });
  return [
    { group, title: 'State', run: () => checkState(known) },
    { group, title: 'Secrets', run: () => checkSecrets(known) },
    image('Machine image', names.image),
    ...(ARM64 ? [image('Machine image for arm64', names.imageArm64)] : []),
    { group, title: 'Launching a machine', run: () => checkLaunch(known) },
    { group, title: 'Way out of the subnets', run: () => checkRoutes(known) },
    { group, title: "The Worker's access key", run: () => checkWorkerKey(known) },
  ];
}

async function checkState({ aws, outputs, deployment }: Prerequisites): Promise<Verdict> {
  await aws();
  const name = stackName(deployment.settings.DEPLOYMENT_ID);
  const state = await deployment.tools.stack.state();
  if (state?.endsWith('_FAILED') || state === 'ROLLBACK_COMPLETE') {
    return bad(`The stack ${name} is ${state}.`, 'make deploy says what is in the way, or goes on.');
  }
  if (state?.endsWith('_IN_PROGRESS')) {
    return warning(`The stack ${name} is being changed right now: ${state}.`, 'Wait until it is done.');
  }
  await outputs();
  return good(`The stack ${name} is ${state}`);
}

async function checkSecrets({ aws, deployment }: Prerequisites): Promise<Verdict> {
  await aws();
  const { names, parameters, settings } = deployment;
  const there = (await parameters.list(`${names.path}/`)).map(({ name }) => name);
  const needed = [names.githubAppKey, names.webhookSecret, names.cloudflareToken];
  const missing = needed.filter((name) => !there.includes(name));
  if (missing.length === 0) return good('The secrets are in Parameter Store');
  return bad(
    `Parameter Store in ${settings.AWS_REGION} does not have ${missing.join(', ')}.`,
    'make setup asks for what is missing and stores it there.',
  );
}

async function checkImage({ aws, outputs, deployment }: Prerequisites, parameter: string): Promise<Verdict> {
  const { ec2 } = await aws();
  const { parameters, settings, now } = deployment;
  const remake = parameter === deployment.names.imageArm64 ? 'make ami-build ARCH=arm64' : 'make ami-build';
  const ImageId = await parameters.read(parameter);
  if (!ImageId) {
    await outputs();
    return bad(`There is no machine image (${parameter}), so no machine can be launched.`, remake);
  }
  if (!ImageId.startsWith('ami-'))
    return good(`Machines start from ${ImageId}, provisioned at each first boot`);
  const { Images = [] } = await ec2
    .send(new DescribeImagesCommand({ ImageIds: [ImageId] }))
    .catch((error: Error) => {
      if (/^InvalidAMIID/.test(error.name)) return { Images: [] };
      throw error;
    });
  const [image] = Images;
  if (!image) return bad(`The machine image ${ImageId} (${parameter}) is gone from EC2.`, remake);
  if (image.State !== 'available') return bad(`The machine image ${ImageId} is ${image.State}.`, remake);
  const age = now() - Date.parse(image.CreationDate ?? '');
  const days = `${Math.floor(age / DAY)} days old`;
  if (settings.HOST_IMAGE === 'baked' && age > IMAGE_FRESH_MS) {
    return warning(
      `The machine image ${ImageId} is ${days}; it has no security updates since.`,
      `${remake} FORCE=1`,
    );
  }
  return good(`Machine image ${ImageId}, ${days}`);
}

/** Asks EC2 whether it would launch a host: rights, template, image and subnet in one call that changes nothing. */
async function checkLaunch({ aws, outputs, deployment }: Prerequisites): Promise<Verdict> {
  const { ec2 } = await aws();
  const { LaunchTemplateId, HostSubnetIds } = await outputs();
  const { settings, names, parameters } = deployment;
  const ImageId = await parameters.read(names.image);
  if (!ImageId) throw new NotChecked('there is no machine image');
  if (!LaunchTemplateId || !HostSubnetIds) throw new NotChecked('the stack was deployed by an older version');
  const Tags = [{ Key: tags.deployment, Value: settings.DEPLOYMENT_ID }];
  try {
    await ec2.send(
      new RunInstancesCommand({
        DryRun: true,
        LaunchTemplate: { LaunchTemplateId, Version: '$Default' },
        ImageId,
        InstanceType: instanceType(settings.DEFAULT_INSTANCE_TYPES[0]),
        SubnetId: HostSubnetIds.split(',')[0],
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [
          { ResourceType: 'instance', Tags },
          { ResourceType: 'volume', Tags },
        ],
      }),
    );
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === 'DryRunOperation')
      return good('EC2 would launch a machine for you from our launch template');
    if (error.cause instanceof Error && error.cause.name === 'UnauthorizedOperation') {
      return warning(
        `You may not launch a machine (make smoke needs it, the functions have a role of their own): ${error.message.slice(0, 300)}`,
        'scripts/setup-aws-credentials.sh makes a role with the rights that are needed.',
      );
    }
    return bad(
      `EC2 would not launch a machine: ${error.message}`,
      'make deploy; the image with make ami-build.',
    );
  }
  throw new Error('EC2 answered a dry run as if it had launched something');
}

async function checkRoutes({ aws, outputs }: Prerequisites): Promise<Verdict> {
  const { ec2 } = await aws();
  const { HostSubnetIds = '' } = await outputs();
  const subnets = HostSubnetIds.split(',').filter(Boolean);
  if (subnets.length === 0) throw new NotChecked('the stack was deployed by an older version');
  const { RouteTables = [] } = await ec2.send(
    new DescribeRouteTablesCommand({ Filters: [{ Name: 'association.subnet-id', Values: subnets }] }),
  );
  const leadOut = RouteTables.filter(({ Routes = [] }) =>
    Routes.some((route) => route.DestinationCidrBlock === '0.0.0.0/0' && route.State === 'active'),
  );
  const open = leadOut.flatMap(({ Associations = [] }) => Associations.map(({ SubnetId }) => SubnetId));
  const shut = subnets.filter((id) => !open.includes(id));
  if (shut.length === 0) return good(`All ${subnets.length} subnets of the machines lead to the internet`);
  const text = `No active route 0.0.0.0/0 is known for ${shut.join(', ')}.`;
  // A subnet without a route table of its own uses the VPC's main one, which this filter does not find.
  return warning(
    text,
    'Look at the route table: machines there must reach GitHub, Cloudflare and registries.',
  );
}

async function checkWorkerKey({ aws, outputs, deployment }: Prerequisites): Promise<Verdict> {
  await aws();
  const { WorkerUserName } = await outputs();
  if (!WorkerUserName) return good("The Worker has no access key: it calls the function's address (INGRESS)");
  const id = liveKeyId(await deployment.tools.worker.installed(await workerScript(deployment)));
  const keys = await listWorkerKeys(deployment, WorkerUserName);
  const key = keys.find((one) => one.id === id);
  const fix = 'make rotate WHAT=worker-key';
  if (!id || !key) return bad(`The Worker has no access key that ${WorkerUserName} still has.`, fix);
  if (!key.active)
    return bad(`The Worker's access key ${id} is switched off: webhooks end in an error.`, fix);
  if (keys.length > 1) {
    return warning(`${WorkerUserName} has ${keys.length} access keys; one is left of an interruption.`, fix);
  }
  return good(`The Worker's access key ${id} is active`);
}

/** The SDK's list of types is older than what a region has. */
function instanceType(name: string | undefined): 't3.small' {
  return (name ?? 't3.small') as 't3.small';
}
