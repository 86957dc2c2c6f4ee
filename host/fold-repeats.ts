/**
 * A server that cannot reach its database says so thirty times, and the line that says why is no longer among the
 * lines that people are shown. Consecutive lines that differ only in their time become one, with their number. A
 * block of lines that repeats (a stack trace per restart) is folded in the same way.
 */
const LONGEST_BLOCK = 12;
/** Beginnings such as `[2026-01-31 10:00:00,123]`, `10:00:00`, `2026-01-31T10:00:00.1Z`. */
const TIME = /^[[(]?\d{1,4}[-/:.]\d{1,2}[-/:.][\d:.,+TZ/ -]{0,30}[\])]?\s*/;

export function foldRepeats(lines: readonly string[]): string[] {
  const same = lines.map((line) => line.replace(TIME, ''));
  const folded: string[] = [];
  for (let at = 0; at < lines.length; ) {
    const { length, times } = longestRepeat(same, at);
    const last = at + length * (times - 1);
    const block = lines.slice(last, last + length);
    if (times === 1) folded.push(...block);
    else if (length === 1) folded.push(`${block[0]} (x${times})`);
    else folded.push(...block, `(these ${length} lines x${times})`);
    at += length * times;
  }
  return folded;
}

/** The block at this place whose repetitions extend furthest; among equals the shortest. */
function longestRepeat(lines: readonly string[], at: number): { length: number; times: number } {
  let best = { length: 1, times: 1 };
  let covers = 1;
  for (let length = 1; length <= LONGEST_BLOCK; length++) {
    const repeats = (time: number) => {
      const from = at + length * time;
      if (from + length > lines.length) return false;
      return lines.slice(at, at + length).every((line, index) => line === lines[from + index]);
    };
    let times = 1;
    while (repeats(times)) times++;
    if (times > 1 && length * times > covers) {
      best = { length, times };
      covers = length * times;
    }
  }
  return best;
}
