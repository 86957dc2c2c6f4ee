import * as v from 'valibot';
import { listOf } from '#settings/setting-rules';

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html#tag-conventions; ours begin with `eph:`. */
const tagText = (most: number) => new RegExp(`^[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]{0,${most}}$`, 'u');

/** `team=web,cost-center=42` as what AWS takes. */
export const tagList = v.pipe(
  listOf(v.string(), 40),
  v.everyItem((item) => /^[^=]+=/.test(item), 'has items like team=web'),
  v.transform((items) =>
    items.map((item): [string, string] => {
      const at = item.indexOf('=');
      return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
    }),
  ),
  v.everyItem(
    ([key, value]) => tagText(128).test(key) && tagText(256).test(value),
    'has keys (128 characters at most) and values (256) of letters, digits, spaces and _.:/=+-@',
  ),
  v.everyItem(
    ([key]) => !/^(aws:|eph:|Name$)/i.test(key),
    'has no key that begins with aws: or eph: or is Name',
  ),
  v.check((pairs) => new Set(pairs.map(([key]) => key)).size === pairs.length, 'has each key once'),
  v.transform((pairs): Record<string, string> => Object.fromEntries(pairs)),
);
