import type { LogLine } from './ports.ts';

/**
 * One JSON line per decision; CloudWatch Logs Insights and the metric filter of the alarm read the keys. It is not
 * written through `console`: Lambda would put time, request id and level before it, and a metric
 * filter finds no JSON after those.
 */
export function logLine(line: LogLine): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`);
}
