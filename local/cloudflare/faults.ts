import { CloudflareError } from './cloudflare-error.ts';

export interface Fault {
  status: number;
  code: number;
  message: string;
  /** The call takes effect and only its answer is lost, as in a crash or a timeout after the effect. */
  afterEffect?: boolean;
}

export interface Faults {
  /** The next `times` calls of this method of the state machine fail (`createTunnel`, `deleteRecord`, ...). */
  failNext(operation: string, fault: Fault, times?: number): void;
  clear(): void;
}

/** Wraps every method of a state machine, so that a test can make any of them fail. */
export function withFaults<T extends object>(machine: T): { machine: T; faults: Faults } {
  const planned = new Map<string, Fault[]>();
  const wrapped = new Proxy(machine, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...args: unknown[]): unknown => {
        const fault = planned.get(name)?.shift();
        if (fault && !fault.afterEffect) throw toError(fault);
        const result: unknown = Reflect.apply(value, target, args);
        if (fault) throw toError(fault);
        return result;
      };
    },
  });
  const faults: Faults = {
    failNext(operation, fault, times = 1) {
      if (!(operation in machine)) throw new Error(`The Cloudflare stand-in has no operation ${operation}.`);
      const queue = planned.get(operation) ?? [];
      for (let i = 0; i < times; i++) queue.push(fault);
      planned.set(operation, queue);
    },
    clear: () => planned.clear(),
  };
  return { machine: wrapped, faults };
}

function toError(fault: Fault): CloudflareError {
  return new CloudflareError(fault.status, fault.code, fault.message);
}
