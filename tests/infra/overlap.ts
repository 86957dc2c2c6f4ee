/** In a pattern: any text, and any text without the signs that part an ARN. */
export const ANY = '*';
export const PART = '\u0000';

/** Whether some text fits both patterns: what a policy grants and what an action acts on are both patterns. */
export function overlap(one: string, other: string): boolean {
  const tried = new Set<number>();
  const from = (i: number, j: number): boolean => {
    const place = i * (other.length + 1) + j;
    if (tried.has(place)) return false;
    tried.add(place);
    const [a, b] = [one[i], other[j]];
    if (a === undefined && b === undefined) return true;
    if (swallows(a, b) && from(i, j + 1)) return true;
    if (swallows(b, a) && from(i + 1, j)) return true;
    if ((a === ANY || a === PART) && from(i + 1, j)) return true;
    if ((b === ANY || b === PART) && from(i, j + 1)) return true;
    return a !== undefined && a === b && from(i + 1, j + 1);
  };
  return from(0, 0);
}

function swallows(wildcard: string | undefined, sign: string | undefined): boolean {
  if (sign === undefined) return false;
  return wildcard === ANY || (wildcard === PART && sign !== '/' && sign !== ':');
}
