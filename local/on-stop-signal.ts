const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
/** `timeout` and process managers signal a process and then its whole group: the same wish, told twice. */
const SAME_WISH_MS = 1_000;

let stop: () => Promise<void> = async () => undefined;
let stoppingSince: number | undefined;

/**
 * Ctrl-C and SIGTERM: `whatToDo` runs to its end, then the process exits with the signal's code. A second
 * signal does not wait; what is left then is removed by the next run or by `make local-clean`.
 *
 * One per process. Call it again when everything has started: miniflare brings listeners of its own, which end
 * the process at once (github.com/sindresorhus/exit-hook), before anything asynchronous can be done.
 */
export function onStopSignal(whatToDo: () => Promise<void>): void {
  stop = whatToDo;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => received(exitCodes[signal]));
  }
}

function received(exitCode: number): void {
  if (stoppingSince !== undefined) {
    if (performance.now() - stoppingSince < SAME_WISH_MS) return;
    console.error('Not waiting any longer. The next run, or make local-clean, removes what is left.');
    process.exit(exitCode);
  }
  stoppingSince = performance.now();
  stop()
    .catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
    .finally(() => process.exit(exitCode));
}
