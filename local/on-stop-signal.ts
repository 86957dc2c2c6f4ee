const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof exitCodes;
/** `timeout` and process managers signal a process and then its whole group: that is one request, sent twice. */
const SAME_REQUEST_MS = 1_000;

/**
 * Ctrl-C, SIGTERM and a closed terminal: `stop` runs to its end, then the process exits with the signal's code. A
 * second signal ends the process without waiting; the next run or `make local-clean` then removes what is left.
 *
 * Call it once per process, before anything is started. It removes other listeners of these signals: miniflare
 * installs some that end the process at once, before anything asynchronous can be done
 * (github.com/sindresorhus/exit-hook).
 */
export function onStopSignal(stop: () => Promise<void>): void {
  let since: number | undefined;
  const received = (signal: StopSignal) => {
    if (since !== undefined) {
      if (performance.now() - since < SAME_REQUEST_MS) return;
      console.error('Not waiting any longer. The next run, or make local-clean, removes what is left.');
      process.exit(exitCodes[signal]);
    }
    since = performance.now();
    stop()
      .catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
      .finally(() => process.exit(exitCodes[signal]));
  };
  for (const signal of Object.keys(exitCodes).filter(isStopSignal)) {
    process.removeAllListeners(signal);
    process.on(signal, received);
  }
  process.on('newListener', (event: string | symbol, listener: NodeJS.SignalsListener) => {
    if (!isStopSignal(event)) return;
    // This event is emitted before the listener is added; microtasks run before the next signal.
    queueMicrotask(() => process.removeListener(event, listener));
  });
}

function isStopSignal(event: string | symbol): event is StopSignal {
  return typeof event === 'string' && event in exitCodes;
}
