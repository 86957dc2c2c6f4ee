import { EphError, permanent } from '#core/failure';
import { CAPACITY_RETRY, LAUNCH_LAG } from '#core/limits';
import { cut, shortHash } from '#core/names';
import type { Arch, PreviewConfig } from '#core/preview-config';
import type { Config } from '../../config.ts';
import type { Compute, DeploySpec, MoveOptions, Observed } from '../compute.ts';
import type { Handle, Moved, Unit } from '../handle.ts';
import { archOf, hasRoomElsewhere, placesInRound, wantedInstanceTypes } from './capacity.ts';
import type { Ec2Ports } from './ec2-ports.ts';
import { type HostBoot, userDataOf } from './host-boot.ts';
import { type HostData, hostHandle, readHostHandle } from './host-handle.ts';
import type { MailboxSpec } from './mailbox.ts';
import { readMessage } from './read-message.ts';
import { validateConfig } from './validate-config.ts';

export interface Ec2Settings {
  region: string;
  bucket: string;
  hostRoleId: string;
  agentSha256: string;
  /** Empty: the image is baked. */
  provisionSha256: string;
  subnetIds: readonly string[];
  /** In the order in which they are tried. */
  instanceTypes: Record<Arch, readonly string[]>;
  idleStopSeconds: number;
}

export function ec2Settings(config: Config): Ec2Settings {
  return {
    region: config.AWS_REGION,
    bucket: config.MAILBOX_BUCKET,
    hostRoleId: config.HOST_ROLE_ID,
    agentSha256: config.AGENT_SHA256,
    provisionSha256: config.PROVISION_SHA256,
    subnetIds: config.SUBNET_IDS,
    instanceTypes: { amd64: config.DEFAULT_INSTANCE_TYPES, arm64: config.DEFAULT_INSTANCE_TYPES_ARM64 },
    idleStopSeconds: config.IDLE_STOP_SECONDS,
  };
}

type WithInstance = HostData & { instanceId: string };

/**
 * One virtual machine per environment, with its disk, its mailbox in S3 and its row in the table of hosts; all four
 * are made and removed together.
 *
 *   running   intent -> RunInstances -> row of hosts; one that is off -> StartInstances
 *   stopped   (find a launch whose answer was lost) -> row of hosts -> StopInstances
 *   none      (find it) -> TerminateInstances -> mailbox -> row of hosts
 *
 * Gotchas
 * - The row of hosts must exist before the machine can report: it leads from a report to its environment.
 * - The mailbox is removed after the machine, which could fill it again, and the row of hosts last: through it the
 *   garbage collection finds a mailbox whose machine is gone.
 * - Everything except the launch is safe to repeat, so nothing else is saved before it is done.
 */
export function ec2Compute(ports: Ec2Ports, settings: Ec2Settings, now: () => number): Compute {
  async function start(environment: string, data: HostData, options: MoveOptions): Promise<Moved> {
    if (data.instanceId === undefined) return launch(environment, data, options);
    const known: WithInstance = { ...data, instanceId: data.instanceId };
    if (!data.registered) return register(environment, known, true);
    await ports.machines.start(known.instanceId);
    return { handle: hostHandle(known), done: true, note: known.instanceId };
  }

  async function freeze(environment: string, options: MoveOptions): Promise<Moved> {
    const { attempt, refusals, config } = options;
    const instanceTypes = typesOf(config);
    const launchParameters = await ports.machines.launchParameters(attempt, {
      arch: archOf(config),
      instanceTypes,
      refusals,
    });
    const { region, bucket, hostRoleId, agentSha256, provisionSha256 } = settings;
    const boot: HostBoot = { v: 1, environment, attempt, region, bucket, hostRoleId, agentSha256 };
    const userData = btoa(userDataOf(boot, provisionSha256));
    // A token is bound to its parameters. They are hashed into it, so that a changed deploy has a new token. So is the
    // time: a pull request that is reopened after its row was deleted counts its attempts from 1 again.
    const begunAt = now();
    const fingerprint = shortHash(JSON.stringify([launchParameters, userData, begunAt]));
    // A token may have 64 characters; a key that is cut here is complete in the user data, and so in the fingerprint.
    const readable = cut(environment.replace(/[^A-Za-z0-9]/g, '-'), MAX_TOKEN_KEY);
    const clientToken = `eph-${readable}-${attempt}-${fingerprint}`;
    const intent = { ...launchParameters, userData, clientToken };
    const handle = hostHandle({ intent, attempt, begunAt });
    return { handle, saveFirst: true, done: false, note: `attempt ${attempt}` };
  }

  async function launch(environment: string, data: HostData, options: MoveOptions): Promise<Moved> {
    const instanceId = await launchOrFind(environment, data, options);
    // A new attempt needs a new token.
    if (!instanceId) return { handle: undefined, done: false, note: 'token spent: another attempt' };
    return { handle: hostHandle({ ...data, instanceId }), done: false, note: instanceId };
  }

  /** Undefined: the token belongs to a machine that is gone. */
  async function launchOrFind(
    environment: string,
    { intent, attempt }: HostData,
    options: MoveOptions,
  ): Promise<string | undefined> {
    try {
      return (await ports.machines.launch(intent, environment, attempt)).instanceId;
    } catch (error) {
      if (!(error instanceof EphError) || error.code !== 'launch_token_spent')
        throw withPause(error, options);
      const found = await ports.machines.findByToken(intent.clientToken);
      return found && found.power !== 'gone' ? found.instanceId : undefined;
    }
  }

  /** While there are other zones and types to try, the next one is tried at once. */
  function withPause(error: unknown, { refusals, config }: MoveOptions): unknown {
    if (!(error instanceof EphError) || error.kind !== 'capacity' || error.retryAfter !== undefined)
      return error;
    const places = placesInRound(settings.subnetIds.length, typesOf(config).length);
    const goesOn = hasRoomElsewhere(error.code) && (refusals + 1) % places !== 0;
    const retryAfter = goesOn ? 0 : CAPACITY_RETRY;
    return new EphError('capacity', error.code, error.sentence, { retryAfter, cause: error });
  }

  const typesOf = (config: PreviewConfig | undefined) => wantedInstanceTypes(config, settings.instanceTypes);

  async function register(environment: string, data: WithInstance, done: boolean): Promise<Moved> {
    await ports.hosts.putHost(data.instanceId, environment, now());
    return { handle: hostHandle({ ...data, registered: true }), done, note: data.instanceId };
  }

  async function stop(environment: string, data: HostData): Promise<Moved> {
    const known = await adopt(data);
    if (!known) return { handle: undefined, done: true, note: 'nothing was launched' };
    // If it is switched on again, its reports must lead to the environment.
    if (!known.registered) return register(environment, known, false);
    await ports.machines.stop(known.instanceId);
    return { handle: hostHandle(known), done: true, note: known.instanceId };
  }

  async function remove(data: HostData): Promise<Moved> {
    const known = await adopt(data);
    if (!known) return { handle: undefined, done: true, note: 'nothing was launched' };
    const { instanceId } = known;
    switch (known.removed) {
      case undefined:
        await ports.machines.terminate(instanceId);
        return { handle: hostHandle({ ...known, removed: 'terminated' }), done: false, note: instanceId };
      case 'terminated':
        await ports.mailbox.clear(instanceId);
        return { handle: hostHandle({ ...known, removed: 'cleared' }), done: false, note: instanceId };
      case 'cleared':
        await ports.hosts.forgetHost(instanceId);
        return { handle: undefined, done: true, note: instanceId };
    }
  }

  /**
   * The machine, even if the launch's answer was lost before it could be saved: then EC2 is asked by the token.
   * Undefined: nothing was launched, or it is gone. EC2 shows a new machine with a delay, so for a while "there is
   * none" is no answer: to rely on it would leave a machine that no row has.
   */
  async function adopt(data: HostData): Promise<WithInstance | undefined> {
    if (data.instanceId !== undefined) return { ...data, instanceId: data.instanceId };
    const found = await ports.machines.findByToken(data.intent.clientToken);
    if (found) return found.power === 'gone' ? undefined : { ...data, instanceId: found.instanceId };
    if (now() - data.begunAt >= LAUNCH_LAG) return undefined;
    throw new EphError(
      'transient',
      'launch_unsettled',
      'It is not known yet whether AWS launched a machine; Eph asks again.',
    );
  }

  function launched(handle: Handle): WithInstance {
    const data = hostOf(handle);
    if (data.instanceId !== undefined) return { ...data, instanceId: data.instanceId };
    throw permanent('no_machine', 'There is no machine to send work to; push again.');
  }

  return {
    validate: validateConfig,

    async move(environment, handle, to, options) {
      if (!handle) {
        if (to === 'running') return freeze(environment, options);
        return { handle: undefined, done: true, note: 'nothing was launched' };
      }
      const data = hostOf(handle);
      switch (to) {
        case 'running':
          return start(environment, data, options);
        case 'stopped':
          return stop(environment, data);
        case 'none':
          return remove(data);
      }
    },

    async deploy(handle, spec) {
      const data = launched(handle);
      const mailed = await ports.mailbox.writeSpec(
        data.instanceId,
        mailboxSpecOf(spec, settings),
        data.mailed,
      );
      return hostHandle({ ...data, mailed });
    },

    notify: (handle, generation) => ports.notifier.notify(launched(handle).instanceId, generation),

    async observe(handle, { power, reports }) {
      const { instanceId } = hostOf(handle);
      if (instanceId === undefined) return {};
      const [described, progress, result] = await Promise.all([
        power ? ports.machines.describe(instanceId) : undefined,
        reports.includes('progress') ? ports.mailbox.progress(instanceId) : undefined,
        reports.includes('result') ? ports.mailbox.result(instanceId) : undefined,
      ]);
      const seen: Observed = { progress, result };
      if (!power) return seen;
      return described ? { ...seen, ...described } : { ...seen, power: 'unknown' };
    },

    receive: (message) => readMessage(message, ports, now),

    async *list() {
      const [machines, mailboxes, rows] = await Promise.all([
        ports.machines.list(),
        ports.mailbox.list(),
        ports.hosts.hosts(),
      ]);
      const units = new Map<string, Unit>();
      for (const { instanceId, environment, since } of rows)
        units.set(instanceId, { id: restOf(instanceId), what: 'row of a machine', environment, since });
      for (const instanceId of mailboxes) {
        const { environment, since = 0 } = units.get(instanceId) ?? {};
        units.set(instanceId, { id: restOf(instanceId), what: 'mailbox', environment, since });
      }
      for (const { instanceId, environment, launchedAt, power } of machines) {
        if (power === 'gone') continue;
        const running = power === 'on';
        const parts = [restOf(instanceId)];
        units.set(instanceId, {
          id: instanceId,
          what: 'machine',
          environment,
          since: launchedAt,
          running,
          parts,
        });
      }
      yield* units.values();
    },

    owns: (handle) => {
      const { instanceId } = readHostHandle(handle) ?? {};
      return instanceId === undefined ? [] : [instanceId, restOf(instanceId)];
    },

    hasBegun: (handle) => readHostHandle(handle)?.instanceId === undefined,

    async discard({ id, running }) {
      if (running) {
        await ports.machines.stop(id);
        return 'stopped';
      }
      const instanceId = id.replace(REST, '');
      if (instanceId === id) await ports.machines.terminate(id);
      await ports.mailbox.clear(instanceId);
      await ports.hosts.forgetHost(instanceId);
      return 'removed';
    },

    upgrade: (handle) => (readHostHandle(handle) ? handle : 'unknown'),
  };
}

const MAX_TOKEN_KEY = 40;
const REST = 'rest of ';

/** Mailbox and row of a machine; they are a unit of their own once the machine is gone. */
function restOf(instanceId: string): string {
  return REST + instanceId;
}

function hostOf(handle: Handle): HostData {
  const data = readHostHandle(handle);
  if (data) return data;
  throw new EphError(
    'transient',
    'host_of_newer_version',
    'A newer version of Eph started this machine. This one leaves it alone until that version is back.',
  );
}

function mailboxSpecOf(spec: DeploySpec, { agentSha256, idleStopSeconds }: Ec2Settings): MailboxSpec {
  const { attachment, ...rest } = spec;
  return { v: 1, ...rest, tunnelToken: attachment.token, agentSha256, idleStopSeconds };
}
