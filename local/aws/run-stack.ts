/**
 * The stack on the local AWS: created, updated in place and deleted as CloudFormation does it.
 *
 *   none --deploy--> running --deploy--> running (changed) --delete--> none
 *
 * Gotchas
 * - An update keeps queues, tables, buckets and machines, and pollers of a queue continue: closing an event source
 *   would hide the message that its long poll receives next for six minutes.
 * - A changed launch template gets a further version; rows name the version that they were launched from.
 * - Names come from logical ids, so the next stack uses a table that outlived its stack. In AWS it would stay behind
 *   under its old name.
 * - A change that cannot be made in place here (keys and indexes of a table) is refused with a sentence.
 */
import { isDeepStrictEqual } from 'node:util';
import { type DeployTarget, deleteStores, deployTemplate, sqsCall } from './deploy-template.ts';
import type { Subnet } from './ec2-launch.ts';
import { type EventSource, startEventSource } from './event-source.ts';
import type { Identities } from './identities.ts';
import type { InvocationResult, LambdaLine, LambdaRuntime } from './lambda-runtime.ts';
import type { LogStore } from './log-store.ts';
import type { BucketNotification } from './s3-notifications.ts';
import { type Schedule, type ServiceEvent, startSchedule } from './schedule.ts';
import type { CommandDocument } from './ssm-document.ts';
import { describeTemplate, type StackDescription } from './template.ts';
import type { EventSourceDescription } from './template-functions.ts';
import type { StackFacts } from './template-intrinsics.ts';

/** The parts of the stack that the state machines read; the same objects for as long as the platform runs. */
export interface LiveStack {
  subnets: Subnet[];
  launchTemplates: StackDescription['launchTemplates'];
  documents: CommandDocument[];
  notifications: Map<string, readonly BucketNotification[]>;
}

export interface StackRunner {
  /** Undefined if nothing is deployed. */
  current(): StackDescription | undefined;
  /** The deployed template, for a comparison. */
  template(): unknown;
  /** @throws Error with the resource and CloudFormation's reason; then nothing was changed */
  deploy(template: unknown, assetRoot: string): Promise<StackDescription>;
  /** Keeps tables that are to be retained. @throws Error as above, for a bucket that is not empty */
  delete(): Promise<void>;
  runSchedule(nameOrLogicalId: string): Promise<InvocationResult[]>;
  /** Sends an event to the rules that match it. */
  publish(event: ServiceEvent): Promise<void>;
  close(): Promise<void>;
}

export interface StackDependencies {
  facts: Omit<StackFacts, 'launchTemplates'>;
  target: DeployTarget;
  live: LiveStack;
  identities: Identities;
  runtime: LambdaRuntime;
  logs: LogStore;
  now: () => number;
  log(line: LambdaLine): void;
  /** Whether rules fire by themselves. */
  schedules: boolean;
}

interface Polling {
  mapping: EventSourceDescription;
  source: EventSource;
}

export function createStackRunner(deps: StackDependencies): StackRunner {
  const { facts, target, live, identities, runtime, logs, log } = deps;
  const polling = new Map<string, Polling>();
  const draining: Promise<void>[] = [];
  let running: { description: StackDescription; template: unknown } | undefined;
  let schedule: Schedule | undefined;
  let logGroups = new Set<string>();

  function poll(mapping: EventSourceDescription, stack: StackDescription): Polling {
    const live = { ...mapping };
    const source = startEventSource({
      mapping: live,
      queueArn: stack.queues.find(({ name }) => name === mapping.queueName)?.arn ?? '',
      functionArn: stack.functions.find(({ name }) => name === mapping.functionName)?.arn ?? '',
      region: facts.region,
      sqs: (operation, params) =>
        sqsCall(target, operation, { QueueUrl: facts.queueUrl(mapping.queueName), ...params }),
      invoke: runtime.invoke,
      log: (line) => log({ source: mapping.functionName, line }),
    });
    return { mapping: live, source };
  }

  function connectQueues(stack: StackDescription | undefined): void {
    const wanted = new Map(
      (stack?.eventSources ?? []).map((mapping) => [`${mapping.queueName} ${mapping.functionName}`, mapping]),
    );
    for (const [key, { source }] of polling) {
      if (wanted.has(key)) continue;
      draining.push(source.close());
      polling.delete(key);
    }
    if (!stack) return;
    for (const [key, mapping] of wanted) {
      const there = polling.get(key);
      if (there) Object.assign(there.mapping, mapping);
      else polling.set(key, poll(mapping, stack));
    }
  }

  function restartSchedule(stack: StackDescription | undefined): void {
    schedule?.close();
    schedule = startSchedule({
      rules: stack?.rules ?? [],
      now: deps.now,
      region: facts.region,
      accountId: facts.accountId,
      invoke: (name, event) => invokeByRule(stack, runtime, name, event),
      send: async (name, MessageBody) =>
        void (await sqsCall(target, 'SendMessage', { QueueUrl: facts.queueUrl(name), MessageBody })),
      log: (line) => log({ source: 'schedule', line }),
      automatic: deps.schedules,
    });
  }

  function keepLogGroups(stack: StackDescription | undefined): void {
    const wanted = (stack?.functions ?? []).map(({ logGroup }) => logGroup);
    const gone = [...logGroups].filter((name) => !wanted.includes(name));
    for (const name of wanted) logs.ensureGroup(name);
    for (const name of gone.filter((name) => logs.has(name))) logs.deleteGroup(name);
    logGroups = new Set(wanted);
  }

  function show(stack: StackDescription | undefined): void {
    keepLogGroups(stack);
    replace(live.subnets, stack?.subnets ?? []);
    replace(live.launchTemplates, stack?.launchTemplates ?? []);
    replace(live.documents, stack?.documents ?? []);
    live.notifications.clear();
    for (const { name, notifications } of stack?.buckets ?? []) live.notifications.set(name, notifications);
    identities.set(stack);
    runtime.replace(stack?.functions ?? []);
    connectQueues(stack);
    restartSchedule(stack);
  }

  return {
    current: () => running?.description,
    template: () => running?.template,
    async deploy(template, assetRoot) {
      const launchTemplates = [...live.launchTemplates];
      const description = describeTemplate(template, { ...facts, launchTemplates }, assetRoot);
      refuseChangedTables(description, running?.description);
      const kept = description.users.map(({ name }) => name);
      refuseUsersWithKeys(
        (running?.description.users ?? []).filter(({ name }) => !kept.includes(name)),
        identities,
      );
      await deployTemplate(description, target, running?.description);
      running = { description, template };
      show(description);
      return description;
    },
    async delete() {
      if (!running) return;
      refuseUsersWithKeys(running.description.users, identities);
      await deleteStores(running.description, target);
      running = undefined;
      show(undefined);
    },
    async runSchedule(nameOrLogicalId) {
      if (!schedule) throw new Error(`nothing is deployed, so there is no rule ${nameOrLogicalId}`);
      return schedule.run(nameOrLogicalId);
    },
    publish: async (event) => schedule?.publish(event),
    async close() {
      schedule?.close();
      await Promise.all([...draining, ...[...polling.values()].map(({ source }) => source.close())]);
    },
  };
}

function replace<Item>(list: Item[], items: readonly Item[]): void {
  list.splice(0, list.length, ...items);
}

function refuseChangedTables(stack: StackDescription, before: StackDescription | undefined): void {
  for (const { name, createTable } of stack.tables) {
    const there = before?.tables.find((table) => table.name === name);
    if (!there || isDeepStrictEqual(there.createTable, createTable)) continue;
    throw new Error(
      `table ${name}: the local platform cannot change keys or indexes in place; start it again with the new template`,
    );
  }
}

/** On an update CloudFormation leaves such a user behind without a message, which is worse. */
function refuseUsersWithKeys(users: StackDescription['users'], { accessKeys }: Identities): void {
  const user = users.find(({ name }) => accessKeys.list(name).length > 0);
  if (user) throw new Error(`user ${user.name}: Cannot delete entity, must delete access keys first.`);
}

/** Without `AWS::Lambda::Permission` EventBridge may not invoke, and silently drops the event. */
function invokeByRule(
  stack: StackDescription | undefined,
  runtime: LambdaRuntime,
  name: string,
  event: unknown,
): Promise<InvocationResult> {
  if (!stack?.invocableByRules.includes(name)) {
    return Promise.reject(
      new Error(
        `EventBridge may not invoke ${name}: the template has no AWS::Lambda::Permission for events.amazonaws.com`,
      ),
    );
  }
  return runtime.invoke(name, event);
}
