import { choosePlace } from '#core/capacity';
import type { Arch } from '#core/instance-types';
import { fromTagValue, tags, tagValue } from '#core/names';
import { asAwsError } from '../../lambdas/adapters/aws-errors.ts';
import { throwNoImage } from '../../lambdas/adapters/ec2-machines.ts';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import type { Machines, Power } from '../../lambdas/ports.ts';
import { AwsError } from '../../local/aws/aws-error.ts';
import type { Ec2, Instance } from '../../local/aws/ec2.ts';
import type { Filter } from '../../local/aws/ec2-filters.ts';

interface FakeMachinesOptions {
  deploymentId: string;
  subnetIds: readonly string[];
  launchTemplateId: string;
  image(arch: Arch): Promise<string | undefined>;
}

/** The port over EC2's state machine, with the errors that EC2 gives and the adapter's reading of them. */
export function fakeMachines(ec2: Ec2, options: FakeMachinesOptions): Machines {
  const ours = { name: `tag:${tags.deployment}`, values: [options.deploymentId] };

  function find(filters: Filter[]): Instance[] {
    const found: Instance[] = [];
    let nextToken: string | undefined;
    do {
      const page = ec2.describeInstances({ filters, maxResults: 100, nextToken });
      found.push(...page.instances);
      nextToken = page.nextToken;
    } while (nextToken);
    return found;
  }

  return withErrors<Machines>(
    {
      async launch(intent, environment, attempt) {
        const marks = {
          [tags.deployment]: options.deploymentId,
          [tags.environment]: tagValue(environment),
          [tags.attempt]: String(attempt),
        };
        const [instance] = ec2.runInstances({
          minCount: 1,
          maxCount: 1,
          clientToken: intent.clientToken,
          launchTemplate: { id: intent.launchTemplateId, version: intent.launchTemplateVersion },
          imageId: intent.imageId,
          instanceType: intent.instanceType,
          subnetId: intent.subnetId,
          userData: intent.userData,
          tags: { instance: marks, volume: marks },
        });
        if (!instance) throw new Error('EC2 launched nothing');
        return { instanceId: instance.id };
      },
      async findByToken(clientToken) {
        const [instance] = find([{ name: 'client-token', values: [clientToken] }, ours]);
        return instance && { instanceId: instance.id, power: powerOf(instance) };
      },
      async describe(instanceId) {
        try {
          const [instance] = ec2.describeInstances({ instanceIds: [instanceId] }).instances;
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
        ec2.startInstances([instanceId]);
      },
      async stop(instanceId) {
        try {
          ec2.stopInstances([instanceId]);
        } catch (error) {
          const instance = ec2.find(instanceId);
          const isGone = hasCode(error, 'IncorrectInstanceState') && instance && powerOf(instance) === 'gone';
          if (!isUnknown(error) && !isGone) throw error;
        }
      },
      async terminate(instanceId) {
        try {
          ec2.terminateInstances([instanceId]);
        } catch (error) {
          if (!isUnknown(error)) throw error;
        }
      },
      async blueprint(attempt, { arch, instanceTypes, refusals }) {
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
        return find([ours, { name: 'instance-state-name', values: states }]).map((instance) => ({
          instanceId: instance.id,
          environment: fromTagValue(instance.tags['instance']?.[tags.environment] ?? ''),
          launchedAt: instance.launchedAt,
          power: powerOf(instance),
        }));
      },
    },
    asPortError,
  );
}

export function powerOf(instance: Instance): Power {
  if (instance.state === 'pending' || instance.state === 'running') return 'on';
  return instance.state === 'stopping' || instance.state === 'stopped' ? 'off' : 'gone';
}

function isUnknown(error: unknown): boolean {
  return hasCode(error, 'InvalidInstanceID.NotFound');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof AwsError && error.code === code;
}

/** As the SDK throws it: the code is the error's name. */
function asPortError(error: unknown): unknown {
  if (!(error instanceof AwsError)) return error;
  const thrown = new Error(error.message);
  thrown.name = error.code;
  return asAwsError('EC2', thrown);
}
