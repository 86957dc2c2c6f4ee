/** One line of the table; `bar` is empty where the design promises nothing. */
export interface Figure {
  what: string;
  measured: string;
  bar: string;
  met?: boolean;
}

/** Nearest rank: with 20 values p95 is the second largest, p99 the largest. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function atMost(what: string, value: number, limit: number, show: (value: number) => string): Figure {
  return { what, measured: show(value), bar: `<= ${show(limit)}`, met: value <= limit };
}

export const inSeconds = (ms: number) => (Number.isFinite(ms) ? `${(ms / 1_000).toFixed(2)} s` : 'never');
export const inMillis = (ms: number) => `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
export const inKilobytes = (bytes: number) => `${(bytes / 1_000).toFixed(1)} KB`;

export function printTable(figures: readonly Figure[]): void {
  const rows = figures.map(({ what, measured, bar, met }) => {
    const verdict = met === undefined ? '' : met ? 'met' : 'MISSED';
    return [what, measured, bar, verdict];
  });
  const all = [['what', 'measured', 'bar', ''], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  for (const row of all) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
