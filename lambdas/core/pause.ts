/**
 * What the operator has set for all environments at once, in one parameter (`make pause`, `resume`, `destroy`).
 *
 *   no          nothing; also if the parameter does not exist
 *   launches    no machine is launched or started; those that run continue to serve and accept pushes
 *   everything  the running machines are switched off too; disks and addresses are kept
 *   closed      as if every pull request were closed for good: Eph is being taken down
 */
const pauses = ['no', 'launches', 'everything', 'closed'] as const;
export type Pause = (typeof pauses)[number];

/** An unknown value of a newer version stops what costs money and removes nothing. */
export function parsePause(text: string | undefined): Pause {
  if (text === undefined) return 'no';
  return pauses.find((pause) => pause === text.trim()) ?? 'launches';
}
