import {
  DescribeInstancesCommand,
  type EC2Client,
  type Filter,
  type Instance,
  type InstanceStateName,
  paginateDescribeInstances,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { cutText } from '#core/cut-text';
import { EphError, permanent } from '#core/failure';
import { MAX_REASON_BYTES } from '#core/limits';
import { tags } from '#core/names';
import type { Arch } from '#core/preview-config';
import { withAwsErrors } from '../../adapters/aws-errors.ts';
import { choosePlace } from './capacity.ts';
import type { Described, Machines, Power } from './ec2-ports.ts';
import { environmentTag, fromEnvironmentTag } from './environment-tag.ts';

export interface MachineSettings {
  deploymentId: string;
  subnetIds: readonly string[];
  launchTemplateId: string;
  launchTemplateVersion: string;
  /** The current image of new machines, which may change between two launches. Undefined: there is none. */
  image(arch: Arch): Promise<string | undefined>;
}

/**
 * Hosts on EC2.
 *
 * Gotchas
 * - A client token is zonal when a subnet is named: the subnet is part of the intent, and another zone is
 *   another attempt (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
 * - Describe lags behind launch: `InvalidInstanceID.NotFound` means "not known", and alone it never means "gone".
 * - The launch call itself sets the tags: a machine that is tagged afterwards can be lost in between.
 * - Only instances with this deployment's tag are ever listed, so only those can be touched.
 */
export function ec2Machines(client: EC2Client, settings: MachineSettings): Machines {
  async function find(filters: Filter[]): Promise<Instance[]> {
    const found: Instance[] = [];
    for await (const page of paginateDescribeInstances({ client, pageSize: 500 }, { Filters: filters })) {
      for (const reservation of page.Reservations ?? []) found.push(...(reservation.Instances ?? []));
    }
    return found;
  }
  /** EC2 refuses to stop a terminated machine with the same error as one that is still booting. */
  async function isGone(instanceId: string, error: unknown): Promise<boolean> {
    if (!(error instanceof Error) || error.name !== 'IncorrectInstanceState') return false;
    const [instance] = await find([{ Name: 'instance-id', Values: [instanceId] }]);
    return powerOf(instance) === 'gone';
  }
  const ours: Filter = { Name: `tag:${tags.deployment}`, Values: [settings.deploymentId] };

  return withAwsErrors('EC2', {
    async launch(intent, environment, attempt) {
      const marks = [
        { Key: tags.deployment, Value: settings.deploymentId },
        { Key: tags.environment, Value: environmentTag(environment) },
        { Key: tags.attempt, Value: String(attempt) },
        { Key: 'Name', Value: `eph ${settings.deploymentId} ${environmentTag(environment)}` },
      ];
      const { Instances } = await client.send(
        new RunInstancesCommand({
          MinCount: 1,
          MaxCount: 1,
          ClientToken: intent.clientToken,
          LaunchTemplate: {
            LaunchTemplateId: intent.launchTemplateId,
            Version: intent.launchTemplateVersion,
          },
          ImageId: intent.imageId,
          InstanceType: intent.instanceType as Instance['InstanceType'],
          SubnetId: intent.subnetId,
          UserData: intent.userData,
          // For T types, a build in `standard` mode runs at a fifth of the speed; others, trn1 too, refuse the setting.
          ...(/^t\d/.test(intent.instanceType) ? { CreditSpecification: { CpuCredits: 'unlimited' } } : {}),
          TagSpecifications: [
            { ResourceType: 'instance', Tags: marks },
            { ResourceType: 'volume', Tags: marks },
          ],
        }),
      );
      const instanceId = Instances?.[0]?.InstanceId;
      if (!instanceId)
        throw new EphError('transient', 'no_instance', 'EC2 launched no machine and gave no reason.');
      // The token's machine may have been terminated meanwhile; EC2 returns it all the same.
      if (powerOf(Instances?.[0]) === 'gone') {
        throw new EphError('transient', 'launch_token_spent', 'The machine of this attempt is gone already.');
      }
      return { instanceId };
    },

    async findByToken(clientToken) {
      const [instance] = await find([{ Name: 'client-token', Values: [clientToken] }, ours]);
      return instance?.InstanceId ? { instanceId: instance.InstanceId, power: powerOf(instance) } : undefined;
    },

    async describe(instanceId) {
      try {
        const { Reservations } = await client.send(
          new DescribeInstancesCommand({ InstanceIds: [instanceId] }),
        );
        const instance = Reservations?.[0]?.Instances?.[0];
        return instance && describedAs(powerOf(instance), instance.StateReason?.Message);
      } catch (error) {
        if (isUnknownInstance(error)) return undefined;
        throw error;
      }
    },

    async start(instanceId) {
      await client.send(new StartInstancesCommand({ InstanceIds: [instanceId] }));
    },

    async stop(instanceId) {
      try {
        await client.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
      } catch (error) {
        if (!isUnknownInstance(error) && !(await isGone(instanceId, error))) throw error;
      }
    },

    async terminate(instanceId) {
      try {
        await client.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
      } catch (error) {
        if (!isUnknownInstance(error)) throw error;
      }
    },

    async launchParameters(attempt, { arch, instanceTypes, refusals }) {
      const place = choosePlace(attempt, refusals, settings.subnetIds, instanceTypes);
      if (!place)
        throw permanent('no_subnet', 'This Eph knows no subnet; its operator needs to deploy again.');
      return {
        ...place,
        imageId: (await settings.image(arch)) ?? throwNoImage(arch),
        launchTemplateId: settings.launchTemplateId,
        launchTemplateVersion: settings.launchTemplateVersion,
      };
    },

    async list() {
      const instances = await find([
        ours,
        {
          Name: 'instance-state-name',
          Values: ['pending', 'running', 'stopping', 'stopped', 'shutting-down'],
        },
      ]);
      return instances.map((instance) => ({
        instanceId: instance.InstanceId ?? '',
        environment: fromEnvironmentTag(
          instance.Tags?.find((tag) => tag.Key === tags.environment)?.Value ?? '',
        ),
        launchedAt: instance.LaunchTime?.getTime() ?? 0,
        power: powerOf(instance),
      }));
    },
  });
}

/** The image of the default architecture is missing only while a deploy is under way: transient. */
export function throwNoImage(arch: Arch): never {
  if (arch === 'arm64') {
    throw permanent(
      'no_arm64_image',
      'This Eph has no machine image for `arch: arm64`. Take `arch` out of `eph.yaml`, or ask its operator for one (`ARM64=true` in `.env`, then `make deploy`).',
    );
  }
  throw new EphError(
    'transient',
    'no_image',
    'This Eph has no machine image yet. Its operator needs to deploy again (`make deploy`).',
  );
}

function powerOf(instance: Instance | undefined): Power {
  const state: InstanceStateName | undefined = instance?.State?.Name;
  switch (state) {
    case 'pending':
    case 'running':
      return 'on';
    case 'stopping':
    case 'stopped':
      return 'off';
    case 'shutting-down':
    case 'terminated':
      return 'gone';
    default:
      return 'on';
  }
}

function describedAs(power: Power, reason: string | undefined): Described {
  return power === 'gone' && reason ? { power, reason: cutText(reason, MAX_REASON_BYTES) } : { power };
}

function isUnknownInstance(error: unknown): boolean {
  return error instanceof Error && error.name === 'InvalidInstanceID.NotFound';
}
