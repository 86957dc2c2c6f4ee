/**
 * Systems Manager as a state machine: Run Command, its nodes, Parameter Store. No I/O; `ssm-agent.ts` runs the
 * deliveries of `takeDue` on real hosts and reports back with `finish`.
 *
 * Life of a node: unknown -> online (`agentUp`) -> offline (`agentDown`, still registered) -> online ...;
 * forgotten for good when its instance is terminated (`nodeGone`).
 * Life of an invocation: Pending -> InProgress -> Success | Failed | TimedOut.
 *
 * Gotchas, all of them from AWS
 * - SendCommand to a node that was never registered, or whose instance is gone, is InvalidInstanceId; to one
 *   that is registered but off it is accepted, and delivered when the agent is back, or "Delivery Timed Out"
 *   after TimeoutSeconds (default an hour).
 * - There is no client token: the same call twice runs twice. Up to 5 commands run on a node at once.
 * - GetCommandInvocation right after SendCommand may not know the command yet (`knobs.staleReadMs`).
 * - DescribeInstanceInformation leaves out nodes that are off.
 */
import { AwsError } from './aws-error.ts';
import { createFaults, type Faults } from './faults.ts';
import { type CommandDocument, documentEnvironment } from './ssm-document.ts';
import { createParameterStore, type ParameterStore } from './ssm-parameters.ts';

export type InvocationStatus = 'Pending' | 'InProgress' | 'Delayed' | 'Success' | 'Failed' | 'TimedOut';

export interface Invocation {
  commandId: string;
  instanceId: string;
  documentName: string;
  comment: string;
  status: InvocationStatus;
  statusDetails: string;
  /** -1 until the script has ended. */
  responseCode: number;
  stdout: string;
  stderr: string;
  requestedAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
}

export interface Delivery {
  commandId: string;
  instanceId: string;
  script: string;
  environment: Record<string, string>;
  timeoutSeconds: number;
}

export type CommandEnd = { code: number; stdout: string; stderr: string } | 'timed out';

export interface SendCommand {
  documentName: string;
  instanceIds: string[];
  parameters?: Record<string, string[]>;
  /** The limit until delivery, 30 to 2,592,000 seconds; 3600 by default. */
  timeoutSeconds?: number | undefined;
  comment?: string | undefined;
}

export interface Node {
  instanceId: string;
  online: boolean;
  registeredAt: number;
  lastPingAt: number;
}

export interface SsmKnobs {
  /** Milliseconds for which a new command is unknown to GetCommandInvocation. */
  staleReadMs: number;
  /** This number of the next commands is accepted but never reaches the host. */
  loseCommands: number;
}

export interface SsmOptions {
  now: () => number;
  /** A UUID. */
  newId: () => string;
  documents: readonly CommandDocument[];
  knobs?: Partial<SsmKnobs>;
  /** Called when a delivery may be due: a command was sent, or an agent came online. */
  onDue?: () => void;
}

export interface Ssm {
  knobs: SsmKnobs;
  faults: Faults;
  parameters: ParameterStore;
  agentUp(instanceId: string): void;
  agentDown(instanceId: string): void;
  nodeGone(instanceId: string): void;
  nodes(): Node[];
  sendCommand(input: SendCommand): { commandId: string; requestedAt: number; expiresAt: number };
  getInvocation(commandId: string, instanceId: string): Invocation;
  /** The deliveries for agents that are online, at most 5 running on each; they count as started. */
  takeDue(): Delivery[];
  finish(commandId: string, instanceId: string, end: CommandEnd): void;
}

interface Slot {
  invocation: Invocation;
  delivery: Delivery;
  deliverBefore: number;
  lost: boolean;
}

const MAX_RUNNING_ON_NODE = 5;
const MAX_STDOUT = 24_000;
const MAX_STDERR = 8_000;
const MAX_INSTANCES = 50;
const open: readonly InvocationStatus[] = ['Pending', 'InProgress', 'Delayed'];

export function createSsm(options: SsmOptions): Ssm {
  const { now, newId } = options;
  const knobs: SsmKnobs = { staleReadMs: 0, loseCommands: 0, ...options.knobs };
  const nodes = new Map<string, Node>();
  const slots: Slot[] = [];
  const faults = createFaults();

  function refuseOn(operation: string): void {
    const fault = faults.take(operation);
    if (fault) throw new AwsError(fault.code, fault.message ?? `${fault.code} (asked for)`, fault.status);
  }

  function end(invocation: Invocation, status: InvocationStatus, statusDetails: string, code: number): void {
    Object.assign(invocation, { status, statusDetails, responseCode: code, endedAt: now() });
  }

  /** Marks deliveries that no agent took in time. */
  function expire(): void {
    for (const { invocation, deliverBefore } of slots) {
      const undelivered = invocation.status === 'Pending' || invocation.status === 'Delayed';
      if (undelivered && now() >= deliverBefore) end(invocation, 'TimedOut', 'Delivery Timed Out', -1);
    }
  }

  function setOnline(instanceId: string, online: boolean): void {
    const node = nodes.get(instanceId) ?? { instanceId, registeredAt: now(), online, lastPingAt: now() };
    nodes.set(instanceId, { ...node, online, lastPingAt: online ? now() : node.lastPingAt });
  }

  return {
    knobs,
    faults,
    parameters: createParameterStore(now),
    agentUp(instanceId) {
      setOnline(instanceId, true);
      options.onDue?.();
    },
    agentDown(instanceId) {
      if (nodes.has(instanceId)) setOnline(instanceId, false);
    },
    nodeGone: (instanceId) => void nodes.delete(instanceId),
    nodes: () => [...nodes.values()],
    sendCommand(input) {
      refuseOn('SendCommand');
      const document = options.documents.find(({ name }) => name === input.documentName);
      if (!document)
        throw new AwsError('InvalidDocument', `Document with name ${input.documentName} does not exist.`);
      const environment = documentEnvironment(document, input.parameters ?? {});
      const timeout = checkLimits(input);
      const unknown = input.instanceIds.filter((id) => !nodes.has(id));
      if (unknown.length > 0) {
        throw new AwsError(
          'InvalidInstanceId',
          `Instances [[${unknown.join(', ')}]] not in a valid state for account 000000000000`,
        );
      }
      const commandId = newId();
      const deliverBefore = now() + timeout * 1000;
      const lost = knobs.loseCommands > 0;
      if (lost) knobs.loseCommands -= 1;
      for (const instanceId of input.instanceIds) {
        slots.push({
          invocation: pendingInvocation(commandId, instanceId, input, now()),
          delivery: {
            commandId,
            instanceId,
            script: document.script,
            environment: { ...environment, SSM_COMMAND_ID: commandId },
            timeoutSeconds: document.executionTimeoutSeconds,
          },
          deliverBefore,
          lost,
        });
      }
      options.onDue?.();
      return { commandId, requestedAt: now(), expiresAt: deliverBefore };
    },
    getInvocation(commandId, instanceId) {
      refuseOn('GetCommandInvocation');
      expire();
      const slot = slots.find(
        ({ invocation }) => invocation.commandId === commandId && invocation.instanceId === instanceId,
      );
      if (!slot || now() < slot.invocation.requestedAt + knobs.staleReadMs) {
        throw new AwsError('InvocationDoesNotExist', 'InvocationDoesNotExist');
      }
      return slot.invocation;
    },
    takeDue() {
      expire();
      const due: Delivery[] = [];
      for (const { invocation, delivery, lost } of slots) {
        if (lost || (invocation.status !== 'Pending' && invocation.status !== 'Delayed')) continue;
        if (!nodes.get(invocation.instanceId)?.online) {
          Object.assign(invocation, { status: 'Delayed', statusDetails: 'Delayed' });
          continue;
        }
        const running = slots.filter(
          (other) =>
            other.invocation.instanceId === invocation.instanceId && other.invocation.status === 'InProgress',
        );
        if (running.length >= MAX_RUNNING_ON_NODE) continue;
        Object.assign(invocation, { status: 'InProgress', statusDetails: 'InProgress', startedAt: now() });
        due.push(delivery);
      }
      return due;
    },
    finish(commandId, instanceId, outcome) {
      const slot = slots.find(
        ({ invocation }) => invocation.commandId === commandId && invocation.instanceId === instanceId,
      );
      if (!slot || !open.includes(slot.invocation.status)) return;
      const { invocation } = slot;
      if (outcome === 'timed out') end(invocation, 'TimedOut', 'Execution Timed Out', 137);
      else {
        Object.assign(invocation, {
          stdout: cut(outcome.stdout, MAX_STDOUT),
          stderr: cut(outcome.stderr, MAX_STDERR),
        });
        const status = outcome.code === 0 ? 'Success' : 'Failed';
        end(invocation, status, status, outcome.code);
      }
      options.onDue?.();
    },
  };
}

/** @returns seconds until delivery must have happened */
function checkLimits({ instanceIds, timeoutSeconds = 3600, comment }: SendCommand): number {
  if (instanceIds.length === 0) {
    throw new AwsError(
      'InvalidInstanceId',
      'At least one instance id is needed (targets by tag are not offered locally)',
    );
  }
  if (instanceIds.length > MAX_INSTANCES)
    throw new AwsError('ValidationException', 'At most 50 instance ids');
  if (timeoutSeconds < 30 || timeoutSeconds > 2_592_000) {
    throw new AwsError('ValidationException', 'timeoutSeconds must be between 30 and 2592000');
  }
  if ((comment?.length ?? 0) > 100)
    throw new AwsError('ValidationException', 'comment must be at most 100 characters');
  return timeoutSeconds;
}

function pendingInvocation(
  commandId: string,
  instanceId: string,
  input: SendCommand,
  now: number,
): Invocation {
  return {
    commandId,
    instanceId,
    documentName: input.documentName,
    comment: input.comment ?? '',
    status: 'Pending',
    statusDetails: 'Pending',
    responseCode: -1,
    stdout: '',
    stderr: '',
    requestedAt: now,
    startedAt: undefined,
    endedAt: undefined,
  };
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 22)}\n---Output truncated---`;
}
