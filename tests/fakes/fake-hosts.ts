import { serviceHostname } from '#core/names';
import type { Notifier } from '../../lambdas/providers/ec2/ec2-ports.ts';
import type {
  HostFailure,
  MailboxSpec,
  Progress,
  PublicService,
  Result,
} from '../../lambdas/providers/ec2/mailbox.ts';
import type { PowerEvent } from '../../local/aws/ec2.ts';
import type { Cloudflare } from '../../local/cloudflare/cloudflare.ts';
import type { TunnelConnection, TunnelToken } from '../../local/cloudflare/tunnels.ts';
import type { MemoryMailbox } from './memory-mailbox.ts';
import { type Wire, writing } from './wire.ts';

/** The behaviour of machines from now on; a test changes it between two events. */
export interface HostHabits {
  /** `silent`: boots and never reports. `stuck`: takes a deployment spec and never ends it. */
  build: 'ready' | 'failed' | 'stuck' | 'silent';
  failure: HostFailure;
  /** After a failed update the version before still answers. */
  keepsServing: boolean;
  services: { name: string; port: number }[];
  /** What the next deployment spec lacks; machines ask for it once. */
  needs: 'archive' | 'git' | undefined;
  warnings: string[];
  bootMs: number;
  planMs: number;
  buildMs: number;
}

interface Machine {
  instanceId: string;
  on: boolean;
  bootedAt: number;
  registered: boolean;
  lookAt: number | undefined;
  generation: number;
  revision: number;
  build:
    | { spec: MailboxSpec; planAt: number | undefined; endAt: number | undefined; waits: boolean }
    | undefined;
  serving: { generation: number; sha: string } | undefined;
  installed: MailboxSpec | undefined;
  /** The deployment spec of what is on the disk after it was switched off, and the time when it runs again. */
  asleep: MailboxSpec | undefined;
  reviveAt: number | undefined;
  /** The services of the last report since it was switched on: unchanged ones are not reported again. */
  reported: string;
  token: TunnelToken | undefined;
  connection: TunnelConnection | undefined;
}

export interface FakeHosts {
  habits: HostHabits;
  notifierOver(wire: Wire): Notifier;
  onPower(event: PowerEvent): void;
  onWrite(instanceId: string): void;
  /** When the next thing happens on a machine. */
  nextAt(): number | undefined;
  /** Does everything that is due on all machines. */
  act(): void;
  serving(instanceId: string): { generation: number; sha: string } | undefined;
  /** SSM has no agent of any machine. */
  deaf: boolean;
}

const connector = {
  clientId: 'connector',
  version: '2026.1.0',
  arch: 'linux_amd64',
  originIp: '203.0.113.9',
};

/**
 * Machines that behave as the agent does (`host/run-agent.ts`): boot, look into the mailbox each second of
 * the first minute, every 2 s while deploying, when notified, and once a minute otherwise; a newer generation
 * ends the build of an older one; a generation is run once. The disk is kept when a machine is switched off.
 */
export function fakeHosts(platform: {
  now(): number;
  mailbox: () => MemoryMailbox;
  cloudflare: Cloudflare;
}): FakeHosts {
  const { now } = platform;
  const tunnels = platform.cloudflare.machine;
  const machines = new Map<string, Machine>();
  const habits: HostHabits = {
    build: 'ready',
    failure: { code: 'exit', sentence: 'The service `api` exited with 1.', service: 'api', log: ['boom'] },
    keepsServing: true,
    services: [
      { name: 'web', port: 3000 },
      { name: 'api', port: 8080 },
    ],
    needs: undefined,
    warnings: [],
    bootMs: 30_000,
    planMs: 2_000,
    buildMs: 45_000,
  };

  tunnels.onTunnelEvent((event) => {
    if (event.kind !== 'disconnect') return;
    for (const machine of machines.values()) {
      if (machine.connection?.id !== event.connectionId) continue;
      machine.connection = undefined;
      connect(machine);
    }
  });

  function connect(machine: Machine): void {
    if (!machine.on || !machine.token || machine.connection) return;
    try {
      machine.connection = tunnels.registerConnection(machine.token, connector);
    } catch {
      machine.token = undefined;
    }
  }

  function disconnect(machine: Machine): void {
    const { connection } = machine;
    machine.connection = undefined;
    if (connection) tunnels.unregisterConnection(connection.tunnelId, connection.id);
  }

  function useToken(machine: Machine, text: string): void {
    const token = JSON.parse(Buffer.from(text, 'base64').toString()) as TunnelToken;
    if (machine.token?.t !== token.t || machine.token.s !== token.s) disconnect(machine);
    machine.token = token;
    // It also connects with the token that it had before it was switched off.
    connect(machine);
  }

  function look(machine: Machine): void {
    machine.lookAt = undefined;
    machine.registered = true;
    const spec = platform.mailbox().spec(machine.instanceId);
    if (!spec || habits.build === 'silent') return;
    const isOlder = spec.generation < machine.generation;
    if (!isOlder) useToken(machine, spec.tunnelToken);
    if (spec.generation > machine.generation) {
      begin(machine, spec);
      return;
    }
    if (machine.asleep && machine.reviveAt === undefined) machine.reviveAt = now() + habits.planMs;
    const { build } = machine;
    if (build?.waits && spec.generation === machine.generation && spec.revision > machine.revision) {
      machine.revision = spec.revision;
      machine.build = { spec, planAt: now() + habits.planMs, endAt: undefined, waits: false };
    }
  }

  function begin(machine: Machine, spec: MailboxSpec): void {
    if (machine.build) end(machine, 'superseded');
    machine.asleep = undefined;
    machine.reviveAt = undefined;
    machine.generation = spec.generation;
    machine.revision = spec.revision;
    machine.build = { spec, planAt: now() + habits.planMs, endAt: undefined, waits: false };
  }

  function plan(machine: Machine, build: NonNullable<Machine['build']>): void {
    build.planAt = undefined;
    const { needs } = habits;
    if (needs) {
      habits.needs = undefined;
      build.waits = true;
    } else if (habits.build !== 'stuck') build.endAt = now() + habits.buildMs;
    const services = JSON.stringify(servicesOf(build.spec));
    if (!needs && services === machine.reported) return;
    if (!needs) machine.reported = services;
    const progress: Progress = {
      v: 1,
      generation: build.spec.generation,
      revision: machine.revision,
      at: now(),
      stage: 'planning',
      services: needs ? [] : servicesOf(build.spec),
      warnings: habits.warnings,
      timings: { fetching: 1_000 },
      ...(needs ? { needs } : {}),
    };
    platform.mailbox().report(machine.instanceId, 'progress', JSON.stringify(progress));
  }

  function end(machine: Machine, outcome: Result['outcome']): void {
    const spec = machine.build?.spec;
    machine.build = undefined;
    if (!spec) return;
    const { generation } = spec;
    const { sha } = spec.source;
    if (outcome === 'ready') {
      machine.serving = { generation, sha };
      machine.installed = spec;
    }
    if (outcome === 'failed' && !habits.keepsServing) machine.serving = undefined;
    const result: Result = {
      v: 1,
      generation,
      sha,
      at: now(),
      outcome,
      services: outcome === 'superseded' ? [] : servicesOf(spec),
      warnings: habits.warnings,
      timings: { fetching: 1_000, building: habits.buildMs },
      ...(outcome === 'failed' ? { failure: habits.failure } : {}),
      ...(machine.serving ? { serving: machine.serving } : {}),
    };
    platform.mailbox().report(machine.instanceId, 'result', JSON.stringify(result));
  }

  /** The version on the disk answers again. */
  function revive(machine: Machine): void {
    const spec = machine.asleep;
    machine.asleep = undefined;
    machine.reviveAt = undefined;
    if (!spec) return;
    const serving = { generation: spec.generation, sha: spec.source.sha };
    machine.serving = serving;
    const result: Result = {
      v: 1,
      ...serving,
      at: now(),
      outcome: 'ready',
      services: servicesOf(spec),
      warnings: [],
      timings: { starting: habits.planMs },
      serving,
    };
    platform.mailbox().report(machine.instanceId, 'result', JSON.stringify(result));
  }

  function servicesOf({ hostname }: MailboxSpec): PublicService[] {
    return habits.services.map(({ name, port }, index) => ({
      name,
      port,
      primary: index === 0,
      path: index === 0 ? '/' : `/${name}`,
      hostname: index === 0 ? hostname : serviceHostname(name, hostname),
    }));
  }

  /** When a machine does something next, infinity for never; it is read before each event. */
  const nextOf = ({ on, lookAt = never, build, reviveAt = never }: Machine): number =>
    on ? Math.min(lookAt, build?.planAt ?? never, build?.endAt ?? never, reviveAt) : never;

  function actOne(machine: Machine): void {
    const { build } = machine;
    if (machine.lookAt !== undefined && machine.lookAt <= now()) look(machine);
    else if (machine.reviveAt !== undefined && machine.reviveAt <= now()) revive(machine);
    else if (build?.planAt !== undefined && build.planAt <= now()) plan(machine, build);
    else end(machine, habits.build === 'failed' ? 'failed' : 'ready');
  }

  const isDue = (machine: Machine) => nextOf(machine) <= now();

  const hosts: FakeHosts = {
    habits,
    deaf: false,
    notifierOver: (wire) => ({
      notify: (instanceId) =>
        wire(writing('ssm SendCommand', instanceId), () => {
          const machine = machines.get(instanceId);
          if (!machine?.registered || hosts.deaf) return false;
          if (machine.on) machine.lookAt = now();
          return true;
        }),
    }),
    onPower({ kind, instance }) {
      const machine = machines.get(instance.id) ?? newMachine(instance.id);
      machines.set(instance.id, machine);
      machine.on = kind === 'on';
      if (kind === 'on') {
        machine.reported = '';
        machine.bootedAt = now() + habits.bootMs;
        machine.lookAt = machine.bootedAt;
        return;
      }
      disconnect(machine);
      machine.lookAt = undefined;
      machine.build = undefined;
      machine.reviveAt = undefined;
      // The version that answered last is on its disk; one that could not be kept serving is not.
      if (machine.serving) machine.asleep = machine.installed;
      machine.serving = undefined;
      if (kind === 'gone') machines.delete(instance.id);
    },
    onWrite(instanceId) {
      const machine = machines.get(instanceId);
      if (!machine?.on || now() < machine.bootedAt) return;
      const interval = machine.build ? 2_000 : now() - machine.bootedAt < 60_000 ? 1_000 : 60_000;
      machine.lookAt = Math.min(machine.lookAt ?? Number.POSITIVE_INFINITY, now() + interval);
    },
    nextAt() {
      let next = never;
      for (const machine of machines.values()) next = Math.min(next, nextOf(machine));
      return next === never ? undefined : next;
    },
    act() {
      for (const machine of machines.values()) while (isDue(machine)) actOne(machine);
    },
    serving(instanceId) {
      const machine = machines.get(instanceId);
      return machine?.on ? machine.serving : undefined;
    },
  };
  return hosts;
}

const never = Number.POSITIVE_INFINITY;

function newMachine(instanceId: string): Machine {
  return {
    instanceId,
    on: false,
    bootedAt: 0,
    registered: false,
    lookAt: undefined,
    generation: 0,
    revision: 0,
    build: undefined,
    serving: undefined,
    installed: undefined,
    asleep: undefined,
    reviveAt: undefined,
    reported: '',
    token: undefined,
    connection: undefined,
  };
}
