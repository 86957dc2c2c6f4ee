import { gzipSync } from 'node:zlib';

/** Builds tar archives, also ones that git would never write. */
export interface ArchiveEntry {
  path: string;
  /** tar's own letter: 0 file, 1 hard link, 2 symbolic link, 3 device, 5 folder, x and g pax headers. */
  type?: string;
  body?: string | Buffer;
  mode?: number;
  link?: string;
  /** Of the path. */
  encoding?: 'utf8' | 'latin1';
}

const BLOCK = 512;

export function makeTar(entries: readonly ArchiveEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, type = '0', body = '', mode = 0o664, link = '', encoding = 'utf8' } of entries) {
    const bytes = Buffer.from(body);
    const header = Buffer.alloc(BLOCK);
    header.write(path.slice(0, 100), 0, encoding);
    header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(link.slice(0, 100), 157);
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(BLOCK * 2)]);
}

export function paxRecord(key: string, value: string): string {
  const tail = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(tail) + 1;
  while (String(length).length + Buffer.byteLength(tail) !== length) length++;
  return `${length}${tail}`;
}

/** An archive as GitHub sends it: a commit header, a top folder, files below it. */
export function repositoryArchive(files: Record<string, string>, more: readonly ArchiveEntry[] = []): Buffer {
  const top = 'acme-shop-0123456/';
  const entries: ArchiveEntry[] = [
    { path: 'pax_global_header', type: 'g', body: paxRecord('comment', '0'.repeat(40)) },
    { path: top, type: '5', mode: 0o775 },
    ...Object.entries(files).map(([path, body]) => ({
      path: top + path,
      body,
      mode: path.endsWith('.sh') ? 0o775 : 0o664,
    })),
    ...more,
  ];
  return gzipSync(makeTar(entries));
}
