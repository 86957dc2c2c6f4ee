import * as v from 'valibot';
import { EphError, permanent } from '#core/failure';
import { serviceHostname } from '#core/names';
import type { Handle, Moved } from '../../lambdas/providers/handle.ts';
import type { Ingress, Opening } from '../../lambdas/providers/ingress.ts';
import { reading, type Wire, writing } from '../fakes/wire.ts';

/**
 * The smallest possible ingress: lines into environments, each with a token by which an environment takes its line
 * up, and names that lead to a line. The names of a line are deleted with it.
 */
export interface PlainIngress {
  connect(wire: Wire): Ingress;
  /** All lines and names that exist. */
  lines(): string[];
  names(): string[];
  /** The token of the line to which that name leads a visitor. */
  tokenAt(hostname: string): string | undefined;
  /** Deletes a line by hand. */
  cut(id: string): void;
}

interface Line {
  id: string;
  /** The mark that was given when it was opened: a second line of the same mark is never made. */
  mark: string;
  environment: string;
  token: string;
  since: number;
  names: Set<string>;
}

/** The handle. The ingress gives out the ids, so a run that dies can only know the mark. */
const dataSchema = v.object({ mark: v.string(), id: v.optional(v.string()), names: v.array(v.string()) });
type Known = v.InferOutput<typeof dataSchema>;
const KIND = 'line';
const VERSION = 1;

export function plainIngress(now: () => number, suffix: string): PlainIngress {
  const lines = new Map<string, Line>();
  let made = 0;

  const byMark = (mark: string): Line | undefined => [...lines.values()].find((line) => line.mark === mark);

  function openLine(mark: string, environment: string): string {
    const there = byMark(mark);
    if (there) return there.id;
    made += 1;
    const id = `line-${made}`;
    lines.set(id, { id, mark, environment, token: `token of ${id}`, since: now(), names: new Set() });
    return id;
  }

  function lineOf(id: string): Line {
    const line = lines.get(id);
    if (line) return line;
    throw new EphError('transient', 'no_such_line', 'There is no such line.');
  }

  function callsOver(wire: Wire) {
    return {
      open: (mark: string, environment: string) =>
        wire(writing('line open', environment), () => openLine(mark, environment)),
      find: (mark: string) => wire(reading('line find', mark), () => byMark(mark)?.id),
      lead: (id: string, name: string) =>
        wire(writing('line lead', id), () => {
          const line = lineOf(id);
          for (const { names } of lines.values()) names.delete(name);
          line.names.add(name);
        }),
      drop: (id: string, name: string) => wire(writing('line drop', id), () => lineOf(id).names.delete(name)),
      close: (id: string) => wire(writing('line close', id), () => lines.delete(id)),
      token: (id: string) => wire(reading('line token', id), () => lineOf(id).token),
      list: () =>
        wire(reading('line list'), () =>
          [...lines.values()].map((line) => ({ ...line, names: [...line.names] })),
        ),
    };
  }

  return {
    connect: (wire) => ingressOver(callsOver(wire), suffix),
    lines: () => [...lines.keys()],
    names: () => [...lines.values()].flatMap(({ names }) => [...names]).sort(),
    tokenAt: (hostname) => [...lines.values()].find(({ names }) => names.has(hostname))?.token,
    cut: (id) => lines.delete(id),
  };
}

interface Calls {
  open(mark: string, environment: string): Promise<string>;
  find(mark: string): Promise<string | undefined>;
  lead(id: string, name: string): Promise<void>;
  drop(id: string, name: string): Promise<unknown>;
  close(id: string): Promise<unknown>;
  token(id: string): Promise<string>;
  list(): Promise<{ id: string; environment: string; since: number; names: string[] }[]>;
}

function ingressOver(calls: Calls, suffix: string): Ingress {
  async function open(environment: string, known: Known | undefined, opening: Opening): Promise<Moved> {
    if (!known) {
      const begun = { mark: `${environment}/${opening.count}`, names: [] };
      return { handle: toHandle(begun), saveFirst: true, done: false, note: '' };
    }
    const { mark, id, names } = known;
    if (!id) return moved({ mark, names, id: await calls.open(mark, environment) }, mark);
    const wanted = opening.names.map(({ hostname }) => hostname);
    const surplus = names.find((name) => !wanted.includes(name));
    if (surplus) {
      await calls.drop(id, surplus);
      return moved({ ...known, names: names.filter((name) => name !== surplus) }, `without ${surplus}`);
    }
    const missing = wanted.find((name) => !names.includes(name));
    if (!missing) return { handle: toHandle(known), done: true, note: '' };
    await calls.lead(id, missing);
    return moved({ ...known, names: [...names, missing] }, missing);
  }

  async function close({ mark, id }: Known): Promise<Moved> {
    const found = id ?? (await calls.find(mark));
    if (found) await calls.close(found);
    return { handle: undefined, done: true, note: `without ${mark}` };
  }

  return {
    address(label, service) {
      const main = `${label}${suffix}`;
      const hostname = service === undefined ? main : serviceHostname(service, main);
      return { hostname, url: `https://${hostname}` };
    },

    async move(environment, handle, to, opening) {
      const known = handle && read(handle);
      if (to === 'open') return open(environment, known, opening);
      return known ? close(known) : { handle: undefined, done: true, note: '' };
    },

    async check(_environment, handle) {
      const { mark, id, names } = read(handle);
      const line = (await calls.list()).find((one) => one.id === id);
      if (id && !line) return { handle: toHandle({ mark, names: [] }), attached: false };
      const there = names.filter((name) => line?.names.includes(name));
      return { handle: toHandle({ mark, ...(id ? { id } : {}), names: there }), attached: true };
    },

    async attachment(handle) {
      const { id } = read(handle);
      if (!id) throw permanent('no_line', 'There is no line that an environment could take up; push again.');
      return { kind: 'connector', token: await calls.token(id) };
    },

    isOpen(handle, names) {
      const known = handle && parse(handle);
      if (!known?.id) return false;
      return names.every(({ hostname }) => known.names.includes(hostname));
    },

    async *list() {
      for (const { id, environment, since, names } of await calls.list()) {
        yield { id, what: 'line', environment, since, parts: names.map((name) => `${id} ${name}`) };
      }
    },

    owns(handle) {
      const { id, names } = read(handle);
      return id ? [id, ...names.map((name) => `${id} ${name}`)] : [];
    },
    hasBegun: (handle) => read(handle).id === undefined,

    async discard({ id }) {
      await calls.close(id);
      return 'removed';
    },

    upgrade: (handle) => (parse(handle) ? handle : 'unknown'),
  };
}

function moved(known: Known, note: string): Moved {
  return { handle: toHandle(known), done: false, note };
}

function toHandle(known: Known): Handle {
  return { kind: KIND, v: VERSION, data: known };
}

/** Undefined where the handle is of another ingress, or newer than this code. */
function parse(handle: Handle): Known | undefined {
  if (handle.kind !== KIND || handle.v !== VERSION) return undefined;
  const parsed = v.safeParse(dataSchema, handle.data);
  return parsed.success ? parsed.output : undefined;
}

function read(handle: Handle): Known {
  const known = parse(handle);
  if (known) return known;
  throw new EphError('transient', 'line_of_newer_version', 'A newer version of Eph opened this line.');
}
