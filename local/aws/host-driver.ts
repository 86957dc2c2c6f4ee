/**
 * The interface between the EC2 state machine and a real machine: a network namespace with its own engine on Linux
 * under root, an in-memory fake in tests. The receiver calls it; the driver calls back only when a machine switches
 * itself off.
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
  /** Power off: kills the processes, keeps the disk. */
  stop(instanceId: string): Promise<void>;
  /** `stop`, and the disk is deleted. */
  terminate(instanceId: string): Promise<void>;
  /**
   * Does what the SSM agent does with a Run Command: runs the script with these environment variables on the host.
   * Rejects when the machine is off; `signal` is the command's timeout.
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
  /** The user data of RunInstances, decoded; empty if there is none. */
  userData: string;
  /** False for a start after a stop: the disk is kept. */
  first: boolean;
  imds: MachineMetadata;
  /**
   * To be called when the machine, once `start` has resolved, switches itself off (`poweroff` in it, a crash); not
   * for `stop` and `terminate`.
   */
  wentOff(): void;
}

export interface MachineMetadata {
  url: string;
  /** Answers requests from this address only. Until it is called nobody gets an answer: call it before boot. */
  answerOnly(address: string): void;
}
