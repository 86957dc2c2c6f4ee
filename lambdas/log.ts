import type { LogLine } from './ports.ts';

/**
 * One JSON line per decision; CloudWatch Logs Insights and the metric filter of the alarm read the keys. Not
 * through `console`: Lambda puts time, request id and level in front of what comes from there, and a metric
 * filter finds no JSON behind them.
 */
export function logLine(line: LogLine): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`);
}
