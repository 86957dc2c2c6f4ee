/** Edit distance between two words (insert, delete, replace, and swap of neighbours each cost 1). */
function distance(a: string, b: string): number {
  const width = b.length + 1;
  const table = new Array<number>((a.length + 1) * width).fill(0);
  const at = (row: number, column: number) => table[row * width + column] ?? 0;
  for (let row = 0; row <= a.length; row++) {
    for (let column = 0; column < width; column++) {
      if (row === 0 || column === 0) {
        table[row * width + column] = row + column;
        continue;
      }
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (same ? 0 : 1),
      );
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, at(row - 2, column - 2) + 1);
      table[row * width + column] = best;
    }
  }
  return at(a.length, b.length);
}

/**
 * The name that was probably meant, or undefined if no name is near enough to help.
 *
 * @param limit how many letters may be wrong
 */
export function nearestName(
  word: string,
  names: readonly string[],
  limit = Math.max(1, Math.floor(word.length / 3)),
): string | undefined {
  const plain = (text: string) => text.slice(0, 64).toLowerCase().replaceAll('-', '_');
  let best: { name: string; cost: number } | undefined;
  for (const name of names) {
    const cost = distance(plain(word), plain(name));
    if (!best || cost < best.cost) best = { name, cost };
  }
  return best && best.cost <= limit ? best.name : undefined;
}
