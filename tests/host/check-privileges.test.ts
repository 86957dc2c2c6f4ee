import { describe, expect, it } from 'vitest';
import { privilegedRequests } from '../../host/check-privileges.ts';

const asked = (web: Record<string, unknown>) =>
  privilegedRequests({ services: { web } }, '/var/lib/eph/checkout').map(({ asks }) => asks);

describe('what a service asks of its machine', () => {
  it('is nothing for an ordinary one', () => {
    expect(asked({ image: 'web', volumes: [{ type: 'volume', source: 'data' }] })).toEqual([]);
  });

  it.each([
    [{ privileged: true }, 'runs privileged'],
    [{ network_mode: 'host' }, "uses the machine's network"],
    [{ cgroup_parent: 'eph.slice' }, 'chooses its control group (`cgroup_parent: eph.slice`)'],
    [{ cgroup: 'host' }, "sees the machine's control groups (`cgroup: host`)"],
    [
      { volumes: [{ type: 'bind', source: '/run/docker.sock' }] },
      'controls Docker (mounts /run/docker.sock)',
    ],
  ])('is told of %o', (web, sentence) => {
    expect(asked(web)).toEqual([sentence]);
  });
});
