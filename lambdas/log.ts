import type { LogLine } from './ports.ts';

/** One JSON line per decision; CloudWatch Logs Insights reads the keys. */
export function logLine(line: LogLine): void {
  const write = line.level === 'error' ? console.error : console.log;
  write(JSON.stringify({ time: new Date().toISOString(), ...line }));
}
