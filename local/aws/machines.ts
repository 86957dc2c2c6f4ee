/**
 * Between the state machines (EC2, SSM) and real machines (`HostDriver`): turns power events into driver
 * calls, one at a time per instance, and runs commands as the SSM agent does.
 *
 * On: metadata service up -> `driver.start` -> EC2 reports running -> after `agentDelayMs` the SSM agent is online.
 * Off and gone: agent offline, running commands cut -> `driver.stop` / `terminate` -> metadata down -> EC2 reports
 * stopped / terminated. A machine that switches itself off is reported to EC2, whose power event then takes the same
 * steps.
 *
 * Gotcha: an instance terminated while it boots is first booted to the end, then terminated; only the newest event of
 * an instance decides its state.
 */
import type { Ec2, Instance, PowerEvent } from './ec2.ts';
import type { HostDriver } from './host-driver.ts';
import { type Imds, type RoleCredentials, startImds } from './imds.ts';
import type { CommandEnd, Delivery, Ssm } from './ssm.ts';

export interface MachineKnobs {
  /** Milliseconds from running to an online SSM agent (35 to 60 s on AWS). */
  agentDelayMs: number;
  /** Machines boot, but their SSM agents never register. */
  agentNeverUp: boolean;
}

export interface MachinesOptions {
  driver: HostDriver;
  region: string;
  ec2: () => Pick<Ec2, 'finalized' | 'wentOff'>;
  ssm: () => Pick<Ssm, 'agentUp' | 'agentDown' | 'nodeGone' | 'takeDue' | 'finish'>;
  /** The credentials of the role behind the instance's profile. */
  credentials(instance: Instance): RoleCredentials | undefined;
  /** Where metadata services listen: an address that the machines reach. */
  imdsHost: string;
  log(line: string): void;
  knobs?: Partial<MachineKnobs>;
}

export interface Machines {
  knobs: MachineKnobs;
  onPower(event: PowerEvent): void;
  /** SSM has a delivery that is due. */
  deliver(): void;
  /** Waits for calls that have begun, then terminates the machines that are left. */
  close(): Promise<void>;
}

interface Machine {
  instanceId: string;
  work: Promise<void>;
  newest: PowerEvent | undefined;
  imds: Imds | undefined;
  agentTimer: NodeJS.Timeout | undefined;
  exists: boolean;
}

type PowerOn = Extract<PowerEvent, { kind: 'on' }>;
type Ending = 'timed out' | 'powered off';

export function createMachines(options: MachinesOptions): Machines {
  const { driver } = options;
  const knobs: MachineKnobs = { agentDelayMs: 300, agentNeverUp: false, ...options.knobs };
  const machines = new Map<string, Machine>();
  const commands = new Map<string, AbortController>();

  function machineOf(instanceId: string): Machine {
    const known = machines.get(instanceId);
    if (known) return known;
    const machine: Machine = {
      instanceId,
      work: Promise.resolve(),
      newest: undefined,
      imds: undefined,
      agentTimer: undefined,
      exists: false,
    };
    machines.set(instanceId, machine);
    return machine;
  }

  async function powerOn(machine: Machine, event: PowerOn): Promise<void> {
    const { instanceId } = machine;
    const { instance, first } = event;
    const { userData } = instance;
    machine.imds = await startImds({
      instanceId,
      userData,
      region: options.region,
      zone: instance.subnet.zone,
      credentials: () => options.credentials(instance),
      listen: { host: options.imdsHost, port: 0 },
    });
    machine.exists = true;
    const wentOff = () => {
      machine.work = machine.work.then(() => {
        // If the machine was stopped or started again in the meantime, EC2's state is newer.
        if (machine.newest === event) options.ec2().wentOff(instanceId);
      });
    };
    await driver.start({ instanceId, userData, first, imds: machine.imds, wentOff });
    machine.agentTimer = setTimeout(() => {
      if (!knobs.agentNeverUp) options.ssm().agentUp(instanceId);
    }, knobs.agentDelayMs);
    machine.agentTimer.unref();
  }

  async function powerOff(machine: Machine, gone: boolean): Promise<void> {
    const { instanceId } = machine;
    clearTimeout(machine.agentTimer);
    options.ssm().agentDown(instanceId);
    if (gone) options.ssm().nodeGone(instanceId);
    for (const [id, controller] of commands) {
      if (id.endsWith(`#${instanceId}`)) controller.abort('powered off' satisfies Ending);
    }
    if (gone) await driver.terminate(instanceId);
    else await driver.stop(instanceId);
    if (gone) machine.exists = false;
    await machine.imds?.close();
    machine.imds = undefined;
  }

  async function perform(machine: Machine, event: PowerEvent): Promise<void> {
    let failure: string | undefined;
    try {
      if (event.kind === 'on') await powerOn(machine, event);
      else await powerOff(machine, event.kind === 'gone');
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      options.log(`${machine.instanceId}: power ${event.kind}: ${failure}`);
    }
    if (machine.newest === event) options.ec2().finalized(machine.instanceId, failure);
  }

  async function run(delivery: Delivery): Promise<void> {
    const { commandId, instanceId, script, environment, timeoutSeconds } = delivery;
    const controller = new AbortController();
    const id = `${commandId}#${instanceId}`;
    commands.set(id, controller);
    const timer = setTimeout(() => controller.abort('timed out' satisfies Ending), timeoutSeconds * 1000);
    let end: CommandEnd;
    try {
      end = await driver.run(instanceId, script, environment, controller.signal);
    } catch (error) {
      end = { code: 1, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
    }
    clearTimeout(timer);
    commands.delete(id);
    const ending: Ending | undefined = controller.signal.aborted ? controller.signal.reason : undefined;
    options.ssm().finish(commandId, instanceId, ending === 'timed out' ? ending : end);
  }

  return {
    knobs,
    onPower(event) {
      const machine = machineOf(event.instance.id);
      machine.newest = event;
      machine.work = machine.work.then(() => perform(machine, event));
    },
    deliver() {
      // This runs after the answer: SendCommand's reply must not wait for the command.
      setImmediate(() => {
        for (const delivery of options.ssm().takeDue()) void run(delivery);
      });
    },
    async close() {
      const left = [...machines.values()];
      await Promise.all(left.map(({ work }) => work));
      await Promise.all(
        left
          .filter(({ exists, imds }) => exists || imds)
          .map((machine) =>
            powerOff(machine, true).catch((error: unknown) =>
              options.log(`${machine.instanceId}: ${String(error)}`),
            ),
          ),
      );
    },
  };
}
