import type { Terminal } from '../../infra/terminal/terminal.ts';

/**
 * The first Ctrl-C asks to stop where it is safe, between two steps; the second one ends the process. Programs that a
 * step started continue by themselves (`run-program.ts`), and the next run finds their results.
 */
export function stopAfterStep(terminal: Terminal): AbortSignal {
  const stopping = new AbortController();
  const onSignal = () => {
    if (stopping.signal.aborted) {
      terminal.print(
        '\nNot waiting. What is under way at a vendor goes on there; run the same command again.',
      );
      process.exit(130);
    }
    stopping.abort();
    terminal.print('\nStopping after this step. Ctrl-C again does not wait for it.');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stopping.signal;
}
