/**
 * DNS records of one zone, for the API and for the edge's look-up.
 *
 * Gotchas
 * - A name that does not end in the zone is taken as relative: `a.other.com` in `example.com` becomes
 *   `a.other.com.example.com`, it is not refused (seen in github.com/NewFuture/DDNS/issues/21).
 * - Creating never reuses a record: a name that has an A, AAAA or CNAME record is refused, whatever its target is.
 * - Filters are dotted: `name.exact`, `comment.startswith`.
 * - Tags are not on the free plan, comments are, up to 100 characters without line breaks.
 */
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf, type ResultPage } from './collection.ts';

const MAX_COMMENT = 100;
const types = ['A', 'AAAA', 'CNAME', 'TXT'] as const;
type RecordType = (typeof types)[number];

export interface DnsRecordBody {
  type?: string;
  name?: string;
  content?: string;
  ttl?: number;
  proxied?: boolean;
  comment?: string;
  tags?: string[];
}

export interface DnsRecord {
  id: string;
  name: string;
  type: RecordType;
  content: string;
  ttl: number;
  proxied: boolean;
  proxiable: boolean;
  comment?: string;
  comment_modified_on?: string;
  tags: string[];
  settings: Record<string, never>;
  meta: Record<string, never>;
  created_on: string;
  modified_on: string;
}

export type DnsQuery = PageQuery & Record<string, string | undefined>;

interface DnsOptions {
  zone: string;
  now: () => number;
  newId: () => string;
  /** The limit of the zone's plan. */
  maxRecords: number;
}

export type DnsRecords = ReturnType<typeof createDnsRecords>;

export function createDnsRecords({ zone, now, newId, maxRecords }: DnsOptions) {
  const records = createCollection<DnsRecord>(
    () => new CloudflareError(404, 81044, 'Record does not exist.'),
  );
  const time = (): string => new Date(now()).toISOString();

  /** Records that a Worker's host name has made; only that host name can remove them. */
  const managed = new Set<string>();
  const own = (id: string): DnsRecord => {
    const record = records.get(id);
    if (managed.has(id))
      throw new CloudflareError(400, 1043, `${record.name} belongs to a Worker: read only.`);
    return record;
  };

  return {
    createRecord(body: DnsRecordBody): DnsRecord {
      if (records.all().length >= maxRecords) {
        throw new CloudflareError(400, 81045, `Record quota exceeded: ${maxRecords} on this plan.`);
      }
      const wanted = readRecord(body, zone);
      requireFreeName(records.all(), wanted);
      return records.add({
        ...wanted,
        id: newId().replaceAll('-', ''),
        created_on: time(),
        modified_on: time(),
        ...(wanted.comment === undefined ? {} : { comment_modified_on: time() }),
      });
    },

    listRecords(query: DnsQuery): ResultPage<DnsRecord> {
      const tests = testsOf(query);
      const found = records.all().filter((record) => tests.every((test) => test(record)));
      return pageOf(found, query, 100, 5_000);
    },

    /** Fields that the body lacks are deleted. */
    updateRecord(id: string, body: DnsRecordBody): DnsRecord {
      const old = own(id);
      const wanted = readRecord(body, zone);
      requireFreeName(
        records.all().filter((record) => record.id !== id),
        wanted,
      );
      return records.add({
        ...wanted,
        id,
        created_on: old.created_on,
        modified_on: time(),
        ...(wanted.comment === undefined ? {} : { comment_modified_on: time() }),
      });
    },

    deleteRecord(id: string): { id: string } {
      return { id: records.remove(own(id).id).id };
    },

    recordsAt: (name: string): DnsRecord[] => records.all().filter((record) => record.name === name),
    manageRecord: (id: string): void => void managed.add(id),
    removeManagedRecord(id: string): void {
      managed.delete(id);
      records.remove(id);
    },

    /**
     * What a resolver would find: the exact name, else the wildcard that covers it. If the name has a record of any
     * type, the wildcard does not apply to it.
     */
    resolve(hostname: string): DnsRecord | undefined {
      const name = hostname.toLowerCase();
      const all = records.all();
      const exact = all.filter((record) => record.name === name);
      if (exact.length > 0) return exact.find((record) => record.type !== 'TXT');
      const parent = name.slice(name.indexOf('.') + 1);
      return all.find((record) => record.name === `*.${parent}` && record.type !== 'TXT');
    },
  };
}

type Wanted = Omit<DnsRecord, 'id' | 'created_on' | 'modified_on' | 'comment_modified_on'>;

function readRecord(body: DnsRecordBody, zone: string): Wanted {
  const type = types.find((known) => known === body.type);
  if (!type) {
    throw new CloudflareError(
      400,
      1004,
      `DNS Validation Error: the stand-in knows ${types.join(', ')} records`,
    );
  }
  const content = (body.content ?? '').replace(/\.$/, '');
  requireContent(type, content);
  requireTtl(body.ttl ?? 1);
  requireComment(body.comment);
  if (body.tags && body.tags.length > 0) {
    throw new CloudflareError(
      400,
      9300,
      `DNS record has ${body.tags.length} tags, exceeding the quota of 0.`,
    );
  }
  return {
    type,
    name: fullName(body.name ?? '', zone),
    content: type === 'TXT' ? content : content.toLowerCase(),
    ttl: body.ttl ?? 1,
    proxied: type !== 'TXT' && (body.proxied ?? false),
    proxiable: type !== 'TXT',
    tags: [],
    settings: {},
    meta: {},
    ...(body.comment ? { comment: body.comment } : {}),
  };
}

function fullName(name: string, zone: string): string {
  const given = name.toLowerCase().replace(/\.$/, '');
  if (given === '') throw new CloudflareError(400, 9000, 'DNS name is invalid.');
  const full =
    given === '@' || given === zone ? zone : given.endsWith(`.${zone}`) ? given : `${given}.${zone}`;
  const fine = full.length <= 253 && full.split('.').every((label, index) => isLabel(label, index));
  if (!fine) throw new CloudflareError(400, 9000, `DNS name is invalid: ${full}`);
  return full;
}

function isLabel(label: string, index: number): boolean {
  return (index === 0 && label === '*') || /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
}

function requireContent(type: RecordType, content: string): void {
  const fine = {
    A: /^\d{1,3}(\.\d{1,3}){3}$/,
    AAAA: /^[0-9a-f:.]*:[0-9a-f:.]*$/i,
    CNAME: /^[a-z0-9_*]([a-z0-9_.-]*[a-z0-9_])?$/i,
    TXT: /./,
  }[type].test(content);
  if (!fine) throw new CloudflareError(400, 9007, `Content for ${type} record is invalid.`);
}

function requireTtl(ttl: number): void {
  if (ttl === 1 || (ttl >= 60 && ttl <= 86_400)) return;
  throw new CloudflareError(
    400,
    9021,
    'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.',
  );
}

function requireComment(comment: string | undefined): void {
  if (comment === undefined) return;
  if (comment.length > MAX_COMMENT) {
    throw new CloudflareError(
      400,
      1004,
      `DNS Validation Error: comment is longer than ${MAX_COMMENT} characters`,
    );
  }
  if (/[\r\n]/.test(comment)) {
    throw new CloudflareError(400, 1004, 'DNS Validation Error: comment contains a line break');
  }
}

function requireFreeName(others: readonly DnsRecord[], wanted: Wanted): void {
  const same = others.filter((record) => record.name === wanted.name);
  const addresses = same.filter((record) => record.type !== 'TXT');
  if (wanted.type === 'CNAME' && addresses.length > 0) {
    throw new CloudflareError(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.');
  }
  if (wanted.type !== 'TXT' && addresses.some((record) => record.type === 'CNAME')) {
    throw new CloudflareError(400, 81054, 'A CNAME record with that host already exists.');
  }
  if (same.some((record) => record.type === wanted.type && record.content === wanted.content)) {
    throw new CloudflareError(400, 81058, 'An identical record already exists.');
  }
}

/** The filters that are used here. Names and comments compare without regard to case. */
const filters: Readonly<Record<string, (record: DnsRecord, wanted: string) => boolean>> = {
  type: (record, wanted) => record.type === wanted,
  'name.exact': (record, wanted) => record.name === wanted.toLowerCase(),
  'comment.startswith': (record, wanted) =>
    (record.comment ?? '').toLowerCase().startsWith(wanted.toLowerCase()),
};

/** @throws CloudflareError for any other filter: if it were ignored, too much would be found */
function testsOf(query: DnsQuery): ((record: DnsRecord) => boolean)[] {
  return Object.entries(query).flatMap(([name, wanted]) => {
    if (wanted === undefined || name === 'page' || name === 'per_page') return [];
    const test = Object.hasOwn(filters, name) ? filters[name] : undefined;
    if (!test) throw new CloudflareError(400, 1004, `the stand-in knows no filter ${name} of records`);
    return [(record: DnsRecord) => test(record, wanted)];
  });
}
