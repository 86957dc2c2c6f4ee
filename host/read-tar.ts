/**
 * Reads a tar archive as GitHub's `git archive` writes it: ustar with pax headers (long names, the commit
 * in a global header); GNU long names too. Pure apart from the stream it is given.
 *
 * Gotcha: the body of an entry must be read, or is skipped, before the next entry comes.
 */
export interface TarEntry {
  path: string;
  type: 'file' | 'folder' | 'symlink' | 'hardlink' | 'other';
  executable: boolean;
  size: number;
  /** Target of a link. */
  link: string;
  body: AsyncIterable<Buffer>;
}

const BLOCK = 512;
/** A header record holds names and numbers; a larger one is an attack on the agent's memory. */
const MAX_EXTENDED_HEADER = 1024 * 1024;

export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const reader = byteReader(source);
  let pending: Record<string, string> = {};
  for (;;) {
    const header = await reader.exactly(BLOCK);
    if (!header || header.every((byte) => byte === 0)) return;
    checkSum(header);
    const size = whole(pending['size'] ?? number(header, 124, 12));
    const kind = String.fromCharCode(header[156] ?? 0);
    if (kind === 'x' || kind === 'g' || kind === 'L' || kind === 'K') {
      const text = await extendedHeader(reader, size);
      if (kind === 'x') pending = { ...pending, ...paxRecords(text) };
      if (kind === 'L') pending['path'] = text.toString().replace(/\0.*$/s, '');
      if (kind === 'K') pending['linkpath'] = text.toString().replace(/\0.*$/s, '');
      continue;
    }
    const prefix = string(header, 345, 155);
    const name = string(header, 0, 100);
    const entry: TarEntry = {
      path: pending['path'] ?? (prefix === '' ? name : `${prefix}/${name}`),
      type: typeOf(kind),
      executable: (number(header, 100, 8) & 0o111) !== 0,
      size,
      link: pending['linkpath'] ?? string(header, 157, 100),
      body: reader.stream(size),
    };
    pending = {};
    yield entry;
    await reader.finish();
    await reader.exactly((BLOCK - (size % BLOCK)) % BLOCK);
  }
}

function typeOf(kind: string): TarEntry['type'] {
  switch (kind) {
    case '0':
    case '\0':
    case '7':
      return 'file';
    case '1':
      return 'hardlink';
    case '2':
      return 'symlink';
    case '5':
      return 'folder';
    default:
      return 'other';
  }
}

async function extendedHeader(reader: ReturnType<typeof byteReader>, size: number): Promise<Buffer> {
  if (size > MAX_EXTENDED_HEADER) throw new Error('the archive has a header of more than 1 MB');
  const text = await reader.exactly(size);
  await reader.exactly((BLOCK - (size % BLOCK)) % BLOCK);
  if (!text) throw new Error('the archive ends in the middle of a header');
  return text;
}

/** Records are `<length> <key>=<value>\n`; the length counts bytes of the whole record. */
function paxRecords(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = whole(bytes.toString('latin1', at, Math.max(at, space)));
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (length === 0 || at + length > bytes.length || equals < 0) {
      throw new Error('the archive has a broken pax header');
    }
    records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

function string(header: Buffer, at: number, length: number): string {
  const bytes = header.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? length : end);
}

function number(header: Buffer, at: number, length: number): number {
  const first = header[at] ?? 0;
  // Base 256 (GNU) for sizes over 8 GB; a negative one has all bits of the first byte set.
  if (first & 0x80) {
    const digits = header.subarray(at + 1, at + length).toString('hex');
    return first === 0x80 ? Number(`0x${digits}`) : Number.NaN;
  }
  const digits = string(header, at, length).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** With a size that is not a whole positive number, the reader would look for the next header at any place. */
function whole(size: number | string): number {
  const value = typeof size === 'number' ? size : /^\d+$/.test(size) ? Number(size) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error('the archive is damaged (a size is no number)');
  return value;
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  if (sum !== number(header, 148, 8)) throw new Error('the archive is damaged (a header does not add up)');
}

function byteReader(source: AsyncIterable<Buffer>) {
  const iterator = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  let left = 0;

  async function more(): Promise<boolean> {
    const next = await iterator.next();
    if (next.done) return false;
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value]);
    return true;
  }
  /** Undefined at the end of the stream. */
  async function exactly(length: number): Promise<Buffer | undefined> {
    while (rest.length < length) if (!(await more())) return undefined;
    const taken = rest.subarray(0, length);
    rest = rest.subarray(length);
    return taken;
  }
  async function* body(): AsyncGenerator<Buffer> {
    while (left > 0) {
      if (rest.length === 0 && !(await more())) throw new Error('the archive ends in the middle of a file');
      const taken = rest.subarray(0, left);
      rest = rest.subarray(taken.length);
      left -= taken.length;
      yield taken;
    }
  }
  return {
    exactly,
    stream(size: number): AsyncIterable<Buffer> {
      left = size;
      return body();
    },
    async finish(): Promise<void> {
      for await (const _ of body());
    },
  };
}
