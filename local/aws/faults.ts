/**
 * Faults that a test or a person at the demo requests: the next call of an operation fails.
 *
 * `when: 'before'` refuses the call; `'after'` performs it and loses the answer. To the caller this looks like a
 * time-out, for which idempotency exists. Each call uses up one fault, in the order of the requests.
 */
export interface Fault {
  /** The vendor's error code (`InsufficientInstanceCapacity`), or `drop`: the connection is cut. */
  code: string;
  message?: string;
  /** HTTP status; without it the vendor's usual one for refusals (400), 503 for codes that say so. */
  status?: number;
  when?: 'before' | 'after';
  /** Milliseconds before the answer. */
  delayMs?: number;
}

export interface Faults {
  failNext(operation: string, error: Fault | string, times?: number): void;
  /** Uses up one fault of the operation; undefined if there is none. */
  take(operation: string): Fault | undefined;
  clear(): void;
}

export function createFaults(): Faults {
  const pending = new Map<string, Fault[]>();
  return {
    failNext(operation, error, times = 1) {
      const fault = typeof error === 'string' ? { code: error } : error;
      const faults = pending.get(operation) ?? [];
      pending.set(operation, [...faults, ...Array.from({ length: times }, () => fault)]);
    },
    take: (operation) => pending.get(operation)?.shift(),
    clear: () => pending.clear(),
  };
}

export function faultStatus(fault: Fault): number {
  if (fault.status !== undefined) return fault.status;
  if (/Capacity|Unavailable|InternalError|InternalFailure|SlowDown|RequestLimitExceeded/.test(fault.code))
    return 503;
  return 400;
}
