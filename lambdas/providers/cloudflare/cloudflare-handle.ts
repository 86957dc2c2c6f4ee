import * as v from 'valibot';
import { EphError } from '#core/failure';
import type { Handle } from '../handle.ts';
import { readOnce } from '../read-once.ts';

/** What is remembered of one environment's tunnel and names. Without an id it was begun, and it may not exist. */
const rememberedSchema = v.object({
  tunnel: v.exactOptional(
    v.object({ id: v.exactOptional(v.string()), name: v.string(), configured: v.boolean() }),
  ),
  records: v.array(v.object({ id: v.exactOptional(v.string()), hostname: v.string() })),
});

export type Remembered = v.InferOutput<typeof rememberedSchema>;
export type RememberedRecord = Remembered['records'][number];

const KIND = 'cloudflare';
const VERSION = 1;

/** Undefined if nothing is left to remember. */
export function toHandle(remembered: Remembered): Handle | undefined {
  if (!remembered.tunnel && remembered.records.length === 0) return undefined;
  return { kind: KIND, v: VERSION, data: remembered };
}

/** `unknown`: it is another provider's, a newer version's, or damaged; everything that it stands for must be kept. */
export function parseHandle(handle: Handle | undefined): Remembered | 'unknown' {
  return handle ? parseOnce(handle) : { records: [] };
}

const parseOnce = readOnce((handle): Remembered | 'unknown' => {
  if (handle.kind !== KIND || handle.v !== VERSION) return 'unknown';
  const parsed = v.safeParse(rememberedSchema, handle.data);
  return parsed.success ? parsed.output : 'unknown';
});

/** @throws EphError transient: after a roll-back it is left alone until the newer version is back */
export function readHandle(handle: Handle | undefined): Remembered {
  const remembered = parseHandle(handle);
  if (remembered !== 'unknown') return remembered;
  throw new EphError(
    'transient',
    'handle_unknown',
    'Another version of Eph made the address of this preview. It stays as it is until that version runs again.',
  );
}
