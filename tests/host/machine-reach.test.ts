import { describe, expect, it } from 'vitest';
import { DeployFailure } from '../../host/deploy-failure.ts';
import { judgeReach, refuseForAll } from '../../host/judge-reach.ts';
import { machineReach } from '../../host/machine-reach.ts';

const root = '/var/lib/eph/source';
const sentences = (project: Record<string, unknown>) =>
  machineReach(project, root).map(({ subject, asks }) => `${subject} ${asks}`);
const asked = (web: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  machineReach({ services: { web, db: { image: 'postgres' } }, ...more }, root).map(({ asks }) => asks);
const bind = (source: string, more = {}) => ({ volumes: [{ type: 'bind', source, target: '/x', ...more }] });
const build = (more: Record<string, unknown>) => ({ build: { context: root, ...more } });

describe('what a compose project gets of its machine', () => {
  it('is nothing for an ordinary project', () => {
    const web = {
      image: 'web',
      command: null,
      build: {
        context: `${root}/web`,
        dockerfile: '../docker/Dockerfile',
        additional_contexts: { a: 'service:db' },
      },
      volumes: [
        { type: 'volume', source: 'data', target: '/data', volume: {} },
        { type: 'bind', source: `${root}/src`, target: '/src', bind: { create_host_path: true } },
        { type: 'tmpfs', target: '/tmp' },
      ],
      cap_add: ['NET_BIND_SERVICE', 'SYS_NICE'],
      security_opt: ['no-new-privileges:true'],
      network_mode: 'service:db',
      pid: 'service:db',
      ipc: 'shareable',
      volumes_from: ['db:ro'],
      logging: { driver: 'json-file', options: { 'max-size': '1m' } },
      deploy: { resources: { limits: { cpus: 0.5 } }, placement: {} },
      post_start: [{ command: ['true'] }],
      privileged: false,
      'x-note': 'anything',
    };
    const more = {
      'x-shared': { image: 'web' },
      networks: { default: { name: 'eph_default', ipam: { config: [{ subnet: '172.28.7.0/24' }] } } },
      volumes: {
        data: { name: 'eph_data' },
        own: { driver: 'local', driver_opts: { type: 'none', o: 'bind', device: `${root}/data` } },
        memory: { driver: 'local', driver_opts: { type: 'tmpfs', device: 'tmpfs' } },
      },
      secrets: { key: { name: 'eph_key', file: `${root}/key` } },
      configs: { page: { name: 'eph_page', content: 'x' } },
    };
    expect(asked(web, more)).toEqual([]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ privileged: true }, 'runs privileged'],
    [{ network_mode: 'host' }, "uses the machine's network"],
    [{ network_mode: 'service:eph-proxy' }, 'joins the network of `service:eph-proxy`'],
    [{ network_mode: 'container:eph-eph-proxy-1' }, 'joins the network of `container:eph-eph-proxy-1`'],
    [{ pid: 'host' }, "sees the machine's processes (`pid: host`)"],
    [{ pid: 'service:eph-proxy' }, 'sees the processes of `service:eph-proxy`'],
    [{ ipc: 'container:abc' }, 'shares the memory of `container:abc`'],
    [
      { volumes_from: ['container:eph-eph-proxy-1:ro'] },
      'mounts the volumes of `service:container:eph-eph-proxy-1`',
    ],
    [{ volumes_from: ['eph-proxy'] }, 'mounts the volumes of `service:eph-proxy`'],
    [{ cgroup_parent: 'eph.slice' }, 'chooses its control group (`cgroup_parent: eph.slice`)'],
    [{ cgroup: 'host' }, "sees the machine's control groups (`cgroup: host`)"],
    [{ userns_mode: 'host' }, 'leaves the user namespace (`userns_mode: host`)'],
    [{ uts: 'host' }, "sets the machine's host name (`uts: host`)"],
    [{ use_api_socket: true }, 'controls Docker (`use_api_socket`)'],
    [{ cap_add: ['CAP_SYS_ADMIN', 'CHOWN'] }, 'adds capabilities (CAP_SYS_ADMIN)'],
    [{ cap_add: ['CHECKPOINT_RESTORE'] }, 'adds capabilities (CHECKPOINT_RESTORE)'],
    [{ security_opt: ['seccomp:./own.json'] }, 'changes its confinement (seccomp:./own.json)'],
    [{ security_opt: ['systempaths=unconfined'] }, 'changes its confinement (systempaths=unconfined)'],
    [{ devices: [{ source: '/dev/fuse' }] }, "uses the machine's devices"],
    [{ device_cgroup_rules: ['b 259:0 rwm'] }, "uses the machine's devices (`device_cgroup_rules`)"],
    [
      { annotations: { 'org.systemd.property.Slice': 'x' } },
      'gives orders to the container runtime (`annotations`)',
    ],
    [{ logging: { driver: 'syslog' } }, "logs with the machine's `syslog`"],
    [
      { post_start: [{ command: ['x'], privileged: true }] },
      'runs a privileged command in its container (`post_start`)',
    ],
    [
      { pre_start: [{ command: ['x'], privileged: true }] },
      'runs a privileged command in its container (`pre_start`)',
    ],
    [{ pre_stop: [{ command: ['x'], volumes: ['/:/x'] }] }, 'uses `volumes`, which Eph does not know'],
    [bind('/run/docker.sock'), 'controls Docker (mounts /run/docker.sock)'],
    [bind('/var/lib/eph/proxy/run'), 'mounts /var/lib/eph/proxy/run of the machine'],
    [bind(`${root}/../tunnel-token`), `mounts ${root}/../tunnel-token of the machine`],
    [bind(`${root}x`), `mounts ${root}x of the machine`],
    [bind(root, { bind: { propagation: 'rshared' } }), 'propagates mounts to the machine (rshared)'],
    [{ volumes: [{ type: 'cluster', source: 'x' }] }, 'has a mount of the kind `cluster`'],
    [build({ context: '/var/lib/eph' }), 'builds from /var/lib/eph of the machine'],
    [build({ dockerfile: '../../tunnel-token' }), 'builds with /var/lib/tunnel-token of the machine'],
    [build({ additional_contexts: { x: '/etc' } }), 'builds from /etc of the machine'],
    [build({ additional_contexts: { x: 'oci-layout:///etc' } }), 'builds from /etc of the machine'],
    [build({ network: 'host' }), 'builds in the network `host` of the machine'],
    [build({ privileged: true }), 'builds privileged'],
    [build({ entitlements: ['security.insecure'] }), 'builds with the entitlement `security.insecure`'],
    [build({ ssh: ['default'] }), "uses the machine's SSH keys in its build"],
    [build({ cache_from: ['type=local,src=/etc'] }), 'reads its build cache from `type=local,src=/etc`'],
    [build({ cache_to: ['type=local,dest=/etc'] }), 'writes its build cache to `type=local,dest=/etc`'],
    [build({ quota: 1 }), 'uses `quota`, which Eph does not know'],
    [{ env_file: [{ path: '/etc/x' }] }, 'reads /etc/x of the machine (`env_file`)'],
    [{ networks: { default: { link_local_ips: ['169.254.169.254'] } } }, 'takes the address 169.254.169.254'],
    [{ teleport: 'home' }, 'uses `teleport`, which Eph does not know'],
  ])('is told of %o', (web, sentence) => {
    expect(asked(web)).toContain(sentence);
  });

  it.each<[Record<string, unknown>, string]>([
    [
      { volumes: { machine: { driver: 'local', driver_opts: { type: 'none', o: 'bind', device: '/' } } } },
      'The volume `machine` is / of the machine (`o: bind`)',
    ],
    [
      { volumes: { share: { driver_opts: { type: 'nfs', device: ':/x', o: 'addr=10.0.0.2' } } } },
      'The volume `share` is :/x of the machine (`o: addr=10.0.0.2`)',
    ],
    [
      { volumes: { other: { driver: 'rclone' } } },
      "The volume `other` is made by the machine's driver `rclone`",
    ],
    [
      { secrets: { token: { file: '/var/lib/eph/tunnel-token' } } },
      'The secret `token` reads /var/lib/eph/tunnel-token of the machine',
    ],
    [
      { configs: { token: { file: `${root}/../tunnel-token` } } },
      `The config \`token\` reads ${root}/../tunnel-token of the machine`,
    ],
    [
      { networks: { default: { name: 'host', external: true } } },
      "The network `default` is the machine's own",
    ],
    [
      { networks: { lan: { driver: 'macvlan', driver_opts: { parent: 'eth0' } } } },
      "The network `lan` uses the machine's network (`driver: macvlan`)",
    ],
    [
      { networks: { fake: { ipam: { config: [{ subnet: '169.254.169.0/24' }] } } } },
      'The network `fake` takes addresses that are not private on the machine (169.254.169.0/24)',
    ],
    [{ hosts: { a: 1 } }, 'The compose file uses `hosts`, which Eph does not know'],
  ])('is told of %o', (project, sentence) => {
    expect(sentences(project)).toContain(sentence);
  });

  it('is named in clean text of limited length, whatever a name contains', () => {
    const [reach] = machineReach(
      { services: { web: bind(`/x\u001b]0;title\u0007\`${'y'.repeat(500)}`) } },
      root,
    );
    expect(reach?.asks).toMatch(/^mounts \/x \]0;title {2}y+ of the machine$/);
    expect(reach?.asks.length).toBeLessThan(200);
  });
});

const failureOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof DeployFailure) return error.failure;
    throw error;
  }
  return undefined;
};

describe('a project that asks for a part of the machine', () => {
  const reach = [{ subject: '`web`', asks: 'runs privileged' }];

  it('gets a warning on a branch, and is refused on a fork', () => {
    expect(judgeReach(reach, true)).toEqual(['`web` runs privileged.']);
    expect(failureOf(() => judgeReach(reach, false))).toMatchObject({
      code: 'not-for-forks',
      service: 'web',
      sentence: '`web` runs privileged; that is refused for pull requests from forks.',
    });
    expect(judgeReach([], false)).toEqual([]);
  });

  it('gets a limited number of sentences', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({
      subject: `\`s${index}\``,
      asks: 'runs privileged',
    }));
    const warnings = judgeReach(many, true);
    expect(warnings).toHaveLength(11);
    expect(warnings.at(-1)).toContain('490 more');
  });

  it('can never have a program of the repository run beside the containers', () => {
    const project = { services: { web: { image: 'node' }, tool: { provider: { type: 'bash' } } } };
    expect(failureOf(() => refuseForAll(project, 'caddy:2'))).toMatchObject({
      code: 'provider',
      service: 'tool',
    });
  });

  it.each([
    { image: 'caddy:2', build: { context: '.' } },
    { image: 'docker.io/library/caddy:2', build: { context: '.' } },
    { image: 'web', build: { context: '.', tags: ['index.docker.io/caddy:2'] } },
  ])('never gets to build what the proxy is started from: %o', (web) => {
    expect(failureOf(() => refuseForAll({ services: { web } }, 'caddy:2'))).toMatchObject({
      code: 'reserved-name',
    });
  });

  it('may run the image of the proxy, or build another of its name', () => {
    const services = {
      a: { image: 'caddy:2' },
      b: { image: 'caddy:2-own', build: {} },
      c: { image: 'me/caddy:2', build: {} },
    };
    expect(failureOf(() => refuseForAll({ services }, 'caddy:2'))).toBeUndefined();
  });
});
