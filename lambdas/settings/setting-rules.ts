import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import type { Arch } from '#core/preview-config';
import { archOfInstanceType } from './arch-of-instance-type.ts';

/** Rules that several settings have. Each message completes the sentence "it must be a value that ...". */
export const cloudflareId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'is 32 hexadecimal digits'));
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is 64 hexadecimal digits'));
export const httpUrl = v.pipe(v.string(), v.url('is a URL'), v.regex(/[^/]$/, 'has no slash at the end'));

export function nameInDns(what: 'host name' | 'domain name') {
  return v.pipe(
    v.string(),
    v.regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, `is a ${what} in lower case`),
  );
}

export const yesOrNo = v.pipe(
  v.picklist(['true', 'false'], 'is true or false'),
  v.transform((text) => text === 'true'),
);

export function wholeNumber(least: number, most: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d+$/, 'is a whole number'),
    v.transform(Number),
    v.minValue(least, `is at least ${least}`),
    v.maxValue(most, `is at most ${most}`),
  );
}

export function listOf<Item extends v.GenericSchema<string, string>>(item: Item, most: number) {
  return v.pipe(
    commaList,
    v.minLength(1, 'names at least one'),
    v.maxLength(most, `names at most ${most}`),
    v.array(item),
  );
}

const instanceType = v.pipe(
  v.string(),
  v.regex(
    /^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)$/,
    'has items like t3.small',
  ),
);

/**
 * Names of machine types of one architecture. EC2 refuses one of the other architecture with InvalidParameterValue. It
 * gives the same error for an instance profile that is seconds old, so the launch would be retried for ever.
 */
export function instanceTypesOf(arch: Arch, message: string) {
  return v.pipe(
    listOf(instanceType, 10),
    v.everyItem((type) => archOfInstanceType(type) === arch, message),
  );
}
