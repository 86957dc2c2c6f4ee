/**
 * What the operator says about all environments at once, in one parameter (`make pause`, `resume`, `destroy`).
 *
 *   no          nothing; also where the parameter does not exist
 *   launches    no machine is launched or started; those that run serve on and take pushes
 *   everything  the running ones are switched off too; disks and addresses stay
 *   closed      as if every pull request were closed for good: Eph is being taken down
 */
const pauses = ['no', 'launches', 'everything', 'closed'] as const;
export type Pause = (typeof pauses)[number];

/** A word of a version to come holds back what costs money and takes nothing away. */
export function parsePause(text: string | undefined): Pause {
  if (text === undefined) return 'no';
  return pauses.find((pause) => pause === text.trim()) ?? 'launches';
}
