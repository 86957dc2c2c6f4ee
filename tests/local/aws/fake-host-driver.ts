import type { HostDriver, HostMachine } from '../../../local/aws/host-driver.ts';

export interface FakeHostDriver extends HostDriver {
  /** Machines that have a disk. */
  machines: Map<string, { power: 'on' | 'off'; boots: HostMachine[] }>;
  /** Environments of the commands that ran. */
  ran: { instanceId: string; script: string; env: Record<string, string> }[];
  /** The next boots fail. */
  failBoots: number;
  /** Commands run until their signal ends them. */
  hang: boolean;
}

export function createFakeHostDriver(): FakeHostDriver {
  const driver: FakeHostDriver = {
    machines: new Map(),
    ran: [],
    failBoots: 0,
    hang: false,
    async start(machine) {
      if (driver.failBoots > 0) {
        driver.failBoots -= 1;
        throw new Error('the engine did not start');
      }
      machine.imds.answerOnly('127.0.0.1');
      const known = driver.machines.get(machine.instanceId);
      driver.machines.set(machine.instanceId, { power: 'on', boots: [...(known?.boots ?? []), machine] });
    },
    async stop(instanceId) {
      const known = driver.machines.get(instanceId);
      if (known) known.power = 'off';
    },
    async terminate(instanceId) {
      driver.machines.delete(instanceId);
    },
    async run(instanceId, script, env, signal) {
      if (driver.machines.get(instanceId)?.power !== 'on') throw new Error(`${instanceId} is off`);
      driver.ran.push({ instanceId, script, env });
      if (driver.hang) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return { code: 0, stdout: `rang ${env['SSM_Generation']}\n`, stderr: '' };
    },
  };
  return driver;
}
