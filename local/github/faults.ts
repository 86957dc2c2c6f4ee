import type { GithubError } from './github-error.ts';

/** Knobs for tests: let the next calls of an operation fail. */
export interface Faults {
  /**
   * @param operation operationId of GitHub's description, e.g. `issues/create-comment`, or `*` for any call
   * @param times how many calls; 1 if not given
   */
  failNext(operation: string, error: GithubError, times?: number): void;
  /** Called by the wire server before it does anything. @throws the planned error */
  check(operation: string): void;
  clear(): void;
}

export function createFaults(): Faults {
  let planned: { operation: string; error: GithubError; left: number }[] = [];
  return {
    failNext(operation, error, times = 1) {
      planned.push({ operation, error, left: times });
    },
    check(operation) {
      const fault = planned.find((one) => one.operation === operation || one.operation === '*');
      if (!fault) return;
      fault.left -= 1;
      planned = planned.filter((one) => one.left > 0);
      throw fault.error;
    },
    clear() {
      planned = [];
    },
  };
}
