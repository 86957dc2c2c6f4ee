import type { Ec2Ports } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { readHostHandle } from '../../lambdas/providers/ec2/host-handle.ts';
import type { Ec2 } from '../../local/aws/ec2.ts';
import type { FakeHosts } from './fake-hosts.ts';
import type { Units } from './units.ts';

export function ec2Units(ec2: Ec2, hosts: FakeHosts, aws: Ec2Ports): Units {
  return {
    async exist() {
      return {
        instances: ec2
          .describeInstances({})
          .instances.filter(({ state }) => state !== 'terminated' && state !== 'shutting-down')
          .map(({ id }) => id),
        mailboxes: await aws.mailbox.list(),
        hostRows: (await aws.hosts.hosts()).map(({ instanceId }) => instanceId),
      };
    },
    expectedOf(handle) {
      const instanceId = handle && readHostHandle(handle)?.instanceId;
      const one = instanceId === undefined ? [] : [instanceId];
      return { instances: one, mailboxes: one, hostRows: one };
    },
    served(handle) {
      const instanceId = handle && readHostHandle(handle)?.instanceId;
      return instanceId === undefined ? undefined : hosts.serving(instanceId)?.sha;
    },
  };
}
