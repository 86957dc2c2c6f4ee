/**
 * EC2 as a state machine: no I/O, time and ids from outside.
 *
 * Life of an instance: pending -> running -> stopping -> stopped -> pending ...; shutting-down -> terminated from any
 * state. A transition ends when its time has passed AND, if real machines are behind it (`onPower` given), `finalized`
 * was called. Terminated instances stay visible for an hour, their volumes not at all.
 *
 * Gotchas, all of them from AWS
 * - A client token is remembered per Availability Zone, with the exact parameters, until 24 h after
 *   termination: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 * - Describe is eventually consistent: `knobs.staleReadMs` hides a new instance from reads (by id:
 *   InvalidInstanceID.NotFound; by filter, also by client token: absent).
 * - StartInstances may lack capacity: a stopped instance is bound to its zone.
 * - A stopped instance keeps its private address and gets a new public one.
 */
import { AwsError } from './aws-error.ts';
import { createClientTokens } from './ec2-client-tokens.ts';
import { checkFilters, type Filter, filtered, type Page, paged } from './ec2-filters.ts';
import {
  type Instance,
  type InstanceState,
  instanceFilters,
  instanceValues,
  type PowerEvent,
  type StateChange,
  vcpusOf,
} from './ec2-instance.ts';
import {
  type LaunchDependencies,
  type LaunchPlan,
  type LaunchTemplate,
  planLaunch,
  type RunInstancesRequest,
  type Subnet,
  type Tags,
} from './ec2-launch.ts';
import { createFaults, type Fault, type Faults } from './faults.ts';

export type { Instance, InstanceState, PowerEvent, StateChange };

export interface Ec2Knobs {
  /** Milliseconds for which a new instance is missing from reads. */
  staleReadMs: number;
  /** The shortest duration of pending, stopping and shutting-down. */
  transitionMs: number;
  /** vCPUs of all instances that are not stopped or terminated; new accounts have 5. */
  vcpuLimit: number;
  /** Subnet ids, zones or instance types without capacity. */
  noCapacityIn: Set<string>;
  /** Instance types that an account on the free plan may not launch. */
  notOnFreePlan: Set<string>;
}

export interface Ec2Options {
  now: () => number;
  /** 17 hexadecimal digits. */
  newId: () => string;
  subnets: readonly Subnet[];
  launchTemplates: readonly LaunchTemplate[];
  /** The AMI behind an id or a `resolve:ssm:<parameter>`. */
  image: LaunchDependencies['image'];
  knobs?: Partial<Ec2Knobs>;
  /** Set if real machines are behind the instances: each event is answered with `finalized`. */
  onPower?: (event: PowerEvent) => void;
  /** Called with each new state, as EventBridge reports it: "EC2 Instance State-change Notification". */
  onState?: (instance: Instance) => void;
}

export interface Ec2 {
  knobs: Ec2Knobs;
  faults: Faults;
  /** RunInstances' plan, not checked for capacity; authorization reads it. */
  plan(request: RunInstancesRequest): LaunchPlan;
  runInstances(request: RunInstancesRequest): Instance[];
  describeInstances(query: { instanceIds?: string[]; filters?: Filter[] } & Page): {
    instances: Instance[];
    nextToken?: string;
  };
  startInstances(ids: string[]): StateChange[];
  stopInstances(ids: string[]): StateChange[];
  terminateInstances(ids: string[]): StateChange[];
  /** The volumes of all instances that are not terminated. */
  volumes(): { id: string; tags: Tags }[];
  /** The real machine has completed the last power event, or failed to. */
  finalized(instanceId: string, failure?: string): void;
  /**
   * The real machine was shut down from inside: the instance stops or terminates, by
   * InstanceInitiatedShutdownBehavior.
   */
  wentOff(instanceId: string): void;
  /** Undefined for an id that never existed; not affected by stale reads. */
  find(instanceId: string): Instance | undefined;
}

interface Slot {
  instance: Instance;
  createdAt: number;
  /** The number in order of launch, from which addresses are made. */
  ordinal: number;
  transition: { to: InstanceState; notBefore: number } | undefined;
  finalized: boolean;
  terminatedAt: number | undefined;
}

const HOUR = 60 * 60 * 1000;
const TERMINATED_VISIBLE_MS = HOUR;
const TOKEN_REMEMBERED_MS = 24 * HOUR;
export function createEc2(options: Ec2Options): Ec2 {
  const { now, newId } = options;
  const knobs: Ec2Knobs = {
    staleReadMs: 0,
    transitionMs: 0,
    vcpuLimit: Number.POSITIVE_INFINITY,
    noCapacityIn: new Set(),
    notOnFreePlan: new Set(),
    ...options.knobs,
  };
  const slots = new Map<string, Slot>();
  const tokens = createClientTokens((id) => {
    const slot = slots.get(id);
    return slot && !isForgotten(current(slot), TOKEN_REMEMBERED_MS) ? slot.instance : undefined;
  });
  const faults = createFaults();

  function begin(slot: Slot, state: InstanceState, to: InstanceState, event: PowerEvent): void {
    slot.instance.state = state;
    options.onState?.(slot.instance);
    slot.transition = { to, notBefore: now() + knobs.transitionMs };
    slot.finalized = options.onPower === undefined;
    options.onPower?.(event);
  }

  function current(slot: Slot): Slot {
    const { transition } = slot;
    if (!transition || !slot.finalized || now() < transition.notBefore) return slot;
    slot.transition = undefined;
    slot.instance.state = transition.to;
    if (transition.to === 'terminated') slot.terminatedAt = now();
    options.onState?.(slot.instance);
    return slot;
  }

  function slotOf(id: string): Slot {
    if (!/^i-[0-9a-f]{8,17}$/.test(id))
      throw new AwsError('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    const slot = slots.get(id);
    if (!slot || isForgotten(current(slot), TERMINATED_VISIBLE_MS)) throw notFound([id]);
    return slot;
  }

  function isForgotten(slot: Slot, after: number): boolean {
    return slot.terminatedAt !== undefined && now() >= slot.terminatedAt + after;
  }

  function visible(): Slot[] {
    return [...slots.values()]
      .map(current)
      .filter((slot) => !isForgotten(slot, TERMINATED_VISIBLE_MS))
      .filter((slot) => now() >= slot.createdAt + knobs.staleReadMs);
  }

  function checkCapacity(plan: LaunchPlan, count: number): void {
    const scarce = [plan.subnet.id, plan.subnet.zone, plan.instanceType].some((at) =>
      knobs.noCapacityIn.has(at),
    );
    if (scarce) throw noCapacity(plan);
    const used = [...slots.values()]
      .map((slot) => current(slot).instance)
      .filter(({ state }) => state !== 'terminated' && state !== 'stopped')
      .reduce((sum, { instanceType }) => sum + vcpusOf(instanceType), 0);
    if (used + vcpusOf(plan.instanceType) * count > knobs.vcpuLimit) {
      throw new AwsError(
        'VcpuLimitExceeded',
        `You have requested more vCPU capacity than your current vCPU limit of ${knobs.vcpuLimit} allows for the instance bucket that the specified instance type belongs to.`,
      );
    }
  }

  function launch(plan: LaunchPlan, request: RunInstancesRequest, reservationId: string): Instance {
    const ordinal = slots.size + 1;
    const instance: Instance = {
      ...plan,
      id: `i-${newId()}`,
      reservationId,
      state: 'pending',
      stateReason: undefined,
      clientToken: request.clientToken,
      launchedAt: now(),
      privateIp: `10.200.${Math.floor(ordinal / 250)}.${(ordinal % 250) + 4}`,
      publicIpNow: plan.publicIp ? `203.0.113.${(ordinal % 250) + 4}` : undefined,
      tags: structuredClone(plan.tags),
      volume: { id: `vol-${newId()}`, tags: { ...plan.tags['volume'] } },
    };
    const slot: Slot = {
      instance,
      createdAt: now(),
      ordinal,
      transition: undefined,
      finalized: true,
      terminatedAt: undefined,
    };
    slots.set(instance.id, slot);
    begin(slot, 'pending', 'running', { kind: 'on', instance, first: true });
    return instance;
  }

  /** All or nothing: one instance that cannot change its state refuses the whole call. */
  function change(
    ids: string[],
    from: (slot: Slot) => boolean,
    verb: string,
    act: (slot: Slot) => void,
  ): StateChange[] {
    if (ids.length === 0)
      throw new AwsError('MissingParameter', 'The request must contain the parameter InstanceId');
    const chosen = ids.map(slotOf);
    for (const slot of chosen) {
      if (from(slot)) continue;
      throw new AwsError(
        'IncorrectInstanceState',
        `The instance '${slot.instance.id}' is not in a state from which it can be ${verb}.`,
      );
    }
    return chosen.map((slot) => {
      const previous = slot.instance.state;
      act(slot);
      return { instanceId: slot.instance.id, previous, current: slot.instance.state };
    });
  }

  const plan = (request: RunInstancesRequest) => planLaunch(request, options);

  return {
    knobs,
    faults,
    plan,
    find: (id) => {
      const slot = slots.get(id);
      return slot && current(slot).instance;
    },
    runInstances(request) {
      refuseOn(faults.take('RunInstances'));
      const planned = plan(request);
      if (knobs.notOnFreePlan.has(planned.instanceType)) throw notOnFreePlan();
      const earlier = tokens.launchedBefore(planned.subnet.zone, request);
      if (earlier) return earlier;
      checkCapacity(planned, request.minCount);
      const reservationId = `r-${newId()}`;
      const launched = Array.from({ length: request.maxCount }, () =>
        launch(planned, request, reservationId),
      );
      tokens.remember(planned.subnet.zone, request, launched);
      return launched;
    },
    describeInstances({ instanceIds = [], filters = [], ...page }) {
      refuseOn(faults.take('DescribeInstances'));
      if (instanceIds.length > 0 && page.maxResults !== undefined) {
        throw new AwsError(
          'InvalidParameterCombination',
          'The parameter instancesSet cannot be used with the parameter maxResults',
        );
      }
      checkFilters(filters, instanceFilters);
      const seen = visible().map(({ instance }) => instance);
      for (const id of instanceIds) slotOf(id);
      const unseen = instanceIds.filter((id) => !seen.some((instance) => instance.id === id));
      if (unseen.length > 0) throw notFound(unseen);
      const named = instanceIds.length > 0 ? seen.filter(({ id }) => instanceIds.includes(id)) : seen;
      const { things, ...rest } = paged(filtered(named, filters, instanceValues), page);
      return { instances: things, ...rest };
    },
    startInstances(ids) {
      refuseOn(faults.take('StartInstances'));
      for (const id of ids) {
        const { instance } = slotOf(id);
        if (instance.state === 'stopped') checkCapacity(instance, 1);
      }
      return change(
        ids,
        ({ instance: { state } }) => ['stopped', 'pending', 'running'].includes(state),
        'started',
        (slot) => {
          const { instance } = slot;
          if (instance.state !== 'stopped') return;
          instance.launchedAt = now();
          instance.stateReason = undefined;
          instance.publicIpNow = instance.publicIp
            ? `203.0.113.${((slot.ordinal * 7 + 3) % 250) + 4}`
            : undefined;
          begin(slot, 'pending', 'running', { kind: 'on', instance, first: false });
        },
      );
    },
    stopInstances(ids) {
      refuseOn(faults.take('StopInstances'));
      return change(
        ids,
        ({ instance: { state } }) => ['running', 'stopping', 'stopped'].includes(state),
        'stopped',
        (slot) => {
          const { instance } = slot;
          if (instance.state !== 'running') return;
          instance.stateReason = {
            code: 'Client.UserInitiatedShutdown',
            message: 'Client.UserInitiatedShutdown: User initiated shutdown',
          };
          instance.publicIpNow = undefined;
          begin(slot, 'stopping', 'stopped', { kind: 'off', instance });
        },
      );
    },
    terminateInstances(ids) {
      refuseOn(faults.take('TerminateInstances'));
      return change(
        ids,
        () => true,
        'terminated',
        (slot) => {
          const { instance } = slot;
          if (instance.state === 'terminated' || instance.state === 'shutting-down') return;
          instance.stateReason = {
            code: 'Client.UserInitiatedShutdown',
            message: 'Client.UserInitiatedShutdown: User initiated shutdown',
          };
          instance.publicIpNow = undefined;
          begin(slot, 'shutting-down', 'terminated', { kind: 'gone', instance });
        },
      );
    },
    volumes: () =>
      visible()
        .map(({ instance }) => instance)
        .filter(({ state }) => state !== 'terminated')
        .map(({ volume }) => volume),
    wentOff(instanceId) {
      const slot = slots.get(instanceId);
      if (!slot) return;
      const { instance, transition } = current(slot);
      if (instance.state !== 'running' && transition?.to !== 'running') return;
      const message = 'Client.InstanceInitiatedShutdown: Instance initiated shutdown';
      instance.stateReason = { code: 'Client.InstanceInitiatedShutdown', message };
      instance.publicIpNow = undefined;
      if (instance.shutdownBehavior === 'terminate') {
        begin(slot, 'shutting-down', 'terminated', { kind: 'gone', instance });
      } else begin(slot, 'stopping', 'stopped', { kind: 'off', instance });
    },
    finalized(instanceId, failure) {
      const slot = slots.get(instanceId);
      if (!slot) return;
      slot.finalized = true;
      if (failure === undefined || slot.transition?.to !== 'running') {
        current(slot);
        return;
      }
      slot.instance.stateReason = {
        code: 'Server.InternalError',
        message: `Server.InternalError: ${failure}`,
      };
      begin(slot, 'shutting-down', 'terminated', { kind: 'gone', instance: slot.instance });
    },
  };
}

function refuseOn(fault: Fault | undefined): void {
  if (fault) throw new AwsError(fault.code, fault.message ?? `${fault.code} (asked for)`, fault.status);
}

function notFound(ids: string[]): AwsError {
  const [first] = ids;
  return ids.length === 1
    ? new AwsError('InvalidInstanceID.NotFound', `The instance ID '${first}' does not exist`)
    : new AwsError('InvalidInstanceID.NotFound', `The instance IDs '${ids.join(', ')}' do not exist`);
}

/** AWS' exact text, with the code that AWS uses for many other mistakes. */
function notOnFreePlan(): AwsError {
  return new AwsError(
    'InvalidParameterCombination',
    "The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'.",
  );
}

function noCapacity(plan: LaunchPlan): AwsError {
  return new AwsError(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${plan.instanceType} capacity in the Availability Zone you requested (${plan.subnet.zone}). Our system will be working on provisioning additional capacity.`,
    500,
  );
}
