/**
 * One call that leaves the process; a method of a port may make several. It has the vendor's name
 * (`ec2 RunInstances`, `github issues/create-comment`), a table's with its name and what is written
 * (`dynamodb UpdateItem environments claim`).
 */
export interface WireOp {
  name: string;
  /** The subject: the row's key, or the vendor's id of the thing. */
  about: string;
  /** True where it changes something. */
  writes: boolean;
}

/** Stands between a fake and the state it changes; `effect` is what the vendor does, all of it or nothing. */
export type Wire = <T>(op: WireOp, effect: () => T) => Promise<T>;

/** A wire with nothing in between. */
export const atOnce: Wire = async (_op, effect) => effect();

export function reading(name: string, about: string | number = ''): WireOp {
  return { name, about: String(about), writes: false };
}

export function writing(name: string, about: string | number = ''): WireOp {
  return { name, about: String(about), writes: true };
}
