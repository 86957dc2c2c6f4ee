import { HANDLER_TIMEOUT } from '#core/limits';
import type { Dependencies } from '../../lambdas/reconcile/run.ts';
import type { SweepTask } from '../../lambdas/sweep/sweep.ts';
import { sweep } from '../../lambdas/sweep/sweep.ts';
import { takeBatch } from '../../lambdas/take-batch.ts';
import {
  batchOf,
  type Container,
  createTestPlatform,
  type TestPlatform,
} from '../fakes/create-test-platform.ts';
import type { QueuedMessage } from '../fakes/memory-queue.ts';
import { createStory, type Story } from '../fakes/story.ts';
import type { Wire } from '../fakes/wire.ts';
import { createFaults, type Faults } from './faults.ts';
import { createHistory, type History } from './history.ts';
import { createSchedule, type Process, type Schedule, type Witness } from './schedule.ts';
import { createTape, type Tape, type TapeSource } from './tape.ts';

/**
 * The control plane among fakes, with as many runs at once as Lambda starts. Messages are taken in any order, some
 * more than once; a run that takes too long is ended; every call is suspended until the tape lets it go on.
 */
export interface Simulation {
  platform: TestPlatform;
  story: Story;
  tape: Tape;
  faults: Faults;
  history: History;
  schedule: Schedule;
  /** Begins a run that the schedule of sweeps would start. */
  beginSweep(task: SweepTask): void;
  running(): number;
  /** New processes with empty caches and right clocks; messages in their order, and calls that take no time. */
  renew(): void;
  /** Goes on to that time. */
  runUntil(time: number): Promise<void>;
}

/** `maximumConcurrency` of the queue's event source: `infra/stack/control-plane-stack.ts`. */
const CONCURRENCY = 10;
const CONTAINERS = 3;
/** A seed that does not end is broken, whatever its invariants say. */
const MAX_HAPPENINGS = 60_000;

export function createSimulation(
  source: TapeSource,
  makeWitness: (sim: Simulation) => Witness,
  makeFaults: (tape: Tape) => Faults = createFaults,
): Simulation {
  const tape = createTape(source);
  const terminateAfter = tape.pick(['0', '0', '86400']);
  const platform = createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: terminateAfter } });
  const story = createStory(platform);
  const history = createHistory();
  const faults = makeFaults(tape);
  const { clock, queue, hosts } = platform;
  const witness: Witness = {
    before: (process, op) => judge.before(process, op),
    after: (...happened) => judge.after(...happened),
    received: (body) => judge.received(body),
  };
  const schedule = createSchedule({ clock, tape, faults, history, witness });
  let containers: Container[] = Array.from({ length: CONTAINERS }, () => platform.startContainer());
  let runs = 0;
  let running = 0;
  let isCalm = false;

  function begin(
    kind: Process['kind'],
    of: QueuedMessage | undefined,
    work: (platform: Dependencies) => Promise<unknown>,
  ) {
    runs += 1;
    running += 1;
    const process: Process = {
      id: `${kind === 'sweep' ? 's' : 'm'}${runs}`,
      kind,
      over: false,
      key: undefined,
      leaseId: undefined,
      calls: 0,
      failedLists: new Set(),
      removed: new Set(),
      heard: undefined,
      seen: undefined,
    };
    const container = containers[tape.choose(containers.length)] ?? platform.startContainer();
    const skew = isCalm ? 0 : faults.skew();
    schedule.start(
      process,
      HANDLER_TIMEOUT,
      async (wire: Wire) => {
        const made = container(wire, of);
        const ports = skew === 0 ? made.ports : { ...made.ports, now: () => clock.now() + skew };
        await work({ ...made, ports });
      },
      () => {
        running -= 1;
      },
    );
  }

  function takeNext(): boolean {
    if (running >= CONCURRENCY) return false;
    const message = queue.receive((count) => (isCalm ? 0 : tape.choose(Math.min(count, CONCURRENCY))));
    if (!message) return false;
    if (isNotification(message.body) && faults.loses()) {
      history.marks.lost = true;
      history.add({ at: clock.now(), kind: 'act', what: `lost: ${message.body.slice(0, 60)}` });
      queue.delete(message.id);
      return true;
    }
    witness.received(message.body);
    begin('message', message, async (process) => {
      const { batchItemFailures } = await takeBatch(batchOf(message.id, message.body), process);
      if (batchItemFailures.length > 0) return;
      if (faults.duplicates()) message.visibleAt = clock.now() + 1_000 * (1 + tape.choose(60));
      else queue.delete(message.id);
    });
    return true;
  }

  const isDue = (at: number | undefined) => at !== undefined && at <= clock.now();
  let happenings = 0;
  const sim: Simulation = {
    platform,
    story,
    tape,
    faults,
    history,
    schedule,
    running: () => running,
    renew() {
      containers = [platform.startContainer()];
      schedule.hurry();
      isCalm = true;
    },
    beginSweep: (task) => begin('sweep', undefined, (process) => sweep(task, process)),
    async runUntil(time) {
      for (;;) {
        if (isDue(hosts.nextAt())) hosts.act();
        while (running < CONCURRENCY && isDue(queue.nextAt()) && takeNext());
        // Only after that the schedule knows when something happens next.
        const beginning = schedule.follow();
        if (beginning) await beginning;
        const next = Math.min(
          schedule.nextAt() ?? Number.POSITIVE_INFINITY,
          running < CONCURRENCY ? (queue.nextAt() ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
          hosts.nextAt() ?? Number.POSITIVE_INFINITY,
        );
        if (next > time) break;
        happenings += 1;
        if (happenings > MAX_HAPPENINGS) throw new Error('it comes to no end');
        if (schedule.nextAt() !== next) {
          clock.set(Math.max(next, clock.now()));
          continue;
        }
        schedule.step();
        const following = schedule.follow();
        if (following) await following;
      }
      clock.set(Math.max(time, clock.now()));
    },
  };
  const judge = makeWitness(sim);
  return sim;
}

/** S3 and EventBridge deliver at least once, and rarely not at all; a message that was sent to the queue is in it. */
function isNotification(body: string): boolean {
  return body.includes('"aws:s3"') || body.includes('State-change');
}
