import { tags } from '#core/names';
import type { Arch } from '#core/preview-config';
import { asAwsError } from '../../lambdas/adapters/aws-errors.ts';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import { choosePlace } from '../../lambdas/providers/ec2/capacity.ts';
import { throwNoImage } from '../../lambdas/providers/ec2/ec2-machines.ts';
import type { Machines, Power } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { environmentTag, fromEnvironmentTag } from '../../lambdas/providers/ec2/environment-tag.ts';
import { AwsError } from '../../local/aws/aws-error.ts';
import type { Ec2, Instance } from '../../local/aws/ec2.ts';
import type { Filter } from '../../local/aws/ec2-filters.ts';
import { atOnce, reading, type Wire, writing } from './wire.ts';

interface FakeMachinesOptions {
  deploymentId: string;
  subnetIds: readonly string[];
  launchTemplateId: string;
  image(arch: Arch): Promise<string | undefined>;
}

/** The port over EC2's state machine, with the adapter's calls, and its reading of the errors that EC2 gives. */
export function fakeMachines(ec2: Ec2, options: FakeMachinesOptions, wire: Wire = atOnce): Machines {
  const ours = { name: `tag:${tags.deployment}`, values: [options.deploymentId] };
  const change = <T>(operation: string, about: string, effect: () => T) =>
    wire(writing(`ec2 ${operation}`, about), effect);

  async function find(filters: Filter[], about = ''): Promise<Instance[]> {
    const found: Instance[] = [];
    let nextToken: string | undefined;
    do {
      const page = await wire(reading('ec2 DescribeInstances', about), () =>
        seen(ec2.describeInstances({ filters, maxResults: 500, nextToken })),
      );
      found.push(...page.instances);
      nextToken = page.nextToken;
    } while (nextToken);
    return found;
  }
  /** EC2 refuses to stop a terminated machine with the same error as one that is still booting. */
  async function isGone(instanceId: string, error: unknown): Promise<boolean> {
    if (!hasCode(error, 'IncorrectInstanceState')) return false;
    const [instance] = await find([{ name: 'instance-id', values: [instanceId] }], instanceId);
    return instance !== undefined && powerOf(instance) === 'gone';
  }

  return withErrors<Machines>(
    {
      async launch(intent, environment, attempt) {
        const marks = {
          [tags.deployment]: options.deploymentId,
          [tags.environment]: environmentTag(environment),
          [tags.attempt]: String(attempt),
        };
        const [instance] = await change('RunInstances', environment, () =>
          ec2.runInstances({
            minCount: 1,
            maxCount: 1,
            clientToken: intent.clientToken,
            launchTemplate: { id: intent.launchTemplateId, version: intent.launchTemplateVersion },
            imageId: intent.imageId,
            instanceType: intent.instanceType,
            subnetId: intent.subnetId,
            userData: intent.userData,
            tags: { instance: marks, volume: marks },
          }),
        );
        if (!instance) throw new Error('EC2 launched nothing');
        return { instanceId: instance.id };
      },
      async findByToken(clientToken) {
        const [instance] = await find([{ name: 'client-token', values: [clientToken] }, ours], clientToken);
        return instance && { instanceId: instance.id, power: powerOf(instance) };
      },
      async describe(instanceId) {
        try {
          const { instances } = await wire(reading('ec2 DescribeInstances', instanceId), () =>
            seen(ec2.describeInstances({ instanceIds: [instanceId] })),
          );
          const [instance] = instances;
          if (!instance) return undefined;
          const power = powerOf(instance);
          const reason = instance.stateReason?.message;
          return power === 'gone' && reason ? { power, reason } : { power };
        } catch (error) {
          if (isUnknown(error)) return undefined;
          throw error;
        }
      },
      async start(instanceId) {
        await change('StartInstances', instanceId, () => ec2.startInstances([instanceId]));
      },
      async stop(instanceId) {
        try {
          await change('StopInstances', instanceId, () => ec2.stopInstances([instanceId]));
        } catch (error) {
          if (!isUnknown(error) && !(await isGone(instanceId, error))) throw error;
        }
      },
      async terminate(instanceId) {
        try {
          await change('TerminateInstances', instanceId, () => ec2.terminateInstances([instanceId]));
        } catch (error) {
          if (!isUnknown(error)) throw error;
        }
      },
      async launchParameters(attempt, { arch, instanceTypes, refusals }) {
        const place = choosePlace(attempt, refusals, options.subnetIds, instanceTypes);
        if (!place) throw new Error('there is no place for it');
        return {
          ...place,
          imageId: (await options.image(arch)) ?? throwNoImage(arch),
          launchTemplateId: options.launchTemplateId,
          launchTemplateVersion: '1',
        };
      },
      async list() {
        const states = ['pending', 'running', 'stopping', 'stopped', 'shutting-down'];
        const all = await find([ours, { name: 'instance-state-name', values: states }]);
        return all.map((instance) => ({
          instanceId: instance.id,
          environment: fromEnvironmentTag(instance.tags['instance']?.[tags.environment] ?? ''),
          launchedAt: instance.launchedAt,
          power: powerOf(instance),
        }));
      },
    },
    asPortError,
  );
}

/** A copy from the time of EC2's answer, because the machine changes while the answer is on its way. */
function seen<T extends { instances: Instance[] }>(page: T): T {
  return { ...page, instances: page.instances.map((instance) => ({ ...instance })) };
}

export function powerOf(instance: Instance): Power {
  if (instance.state === 'pending' || instance.state === 'running') return 'on';
  return instance.state === 'stopping' || instance.state === 'stopped' ? 'off' : 'gone';
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof AwsError && error.code === code;
}

function isUnknown(error: unknown): boolean {
  return hasCode(error, 'InvalidInstanceID.NotFound');
}

/** The error that the SDK throws, which has the code as its name. */
function asPortError(error: unknown): unknown {
  if (!(error instanceof AwsError)) return error;
  const thrown = new Error(error.message);
  thrown.name = error.code;
  return asAwsError('EC2', thrown);
}
