import { functionSettings } from './function-settings.ts';
import { fillIn } from './setting.ts';

/** What follows the name of an environment, given or by default. @throws Error if it does not fit the zone */
export function previewSuffix(given: string | undefined, zone: string): string {
  const suffix = given ?? fillIn(functionSettings.PREVIEW_SUFFIX.defaultFrom, { PREVIEW_ZONE: zone });
  const [label, ...rest] = suffix.split('.');
  if (/^-[a-z0-9-]*[a-z0-9]$/.test(label ?? '') && rest.join('.') === zone) return suffix;
  throw new Error(
    `PREVIEW_SUFFIX is ${suffix}, but must be "-", one label, and ".${zone}", like -pr.${zone}`,
  );
}
