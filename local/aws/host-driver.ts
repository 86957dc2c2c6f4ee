/**
 * The seam between the EC2 state machine and a real machine: a network namespace with its own engine on
 * Linux under root, an in-memory fake in tests. The front door calls it; it calls back for one thing, a
 * machine that goes off by itself.
 *
 * Calls for one instance never overlap: the caller awaits `start` before `stop`, and so on. `run` may
 * overlap with itself (the SSM agent runs up to 5 commands at once) and with `stop`, which ends it.
 */
export interface HostDriver {
  /**
   * Boot: network namespace, engine, metadata, bootstrap. Resolves when the machine has been switched on
   * (not when the app is up). A rejection is an instance that fails to launch.
   */
  start(machine: HostMachine): Promise<void>;
  /** Power off: kill processes, keep the disk. */
  stop(instanceId: string): Promise<void>;
  /** stop + delete the disk. */
  terminate(instanceId: string): Promise<void>;
  /**
   * What the SSM agent does with a Run Command: run the script with these environment variables on the
   * host. Rejects when the machine is off; `signal` is the command's timeout.
   */
  run(
    instanceId: string,
    script: string,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ code: number; stdout: string; stderr: string }>;
}

export interface HostMachine {
  instanceId: string;
  /** As given to RunInstances, decoded; empty for none. */
  userData: string;
  /** False for a start after a stop: the disk is the old one. */
  first: boolean;
  imds: MachineMetadata;
  /**
   * To be called when the machine, once `start` has resolved, goes off by itself (`poweroff` in it, a crash);
   * not for `stop` and `terminate`.
   */
  wentOff(): void;
}

export interface MachineMetadata {
  url: string;
  /** Answers requests from this address only. Before it is called nobody is answered: call it before boot. */
  answerOnly(address: string): void;
}
