import * as v from 'valibot';
import type { SettingsTable } from '#settings/setting';

/** The part of the table of settings that single commands take from the shell, beside the settings of a deployment. */
export const shellSettings = {
  CLOUDFLARE_API_TOKEN: {
    section: 'addresses',
    meaning:
      'The Cloudflare token for deploying, instead of the one that `make setup` stored in Parameter Store.',
    rule: v.pipe(v.string(), v.nonEmpty('is not empty')),
    optional: true,
    secret: true,
  },
} as const satisfies SettingsTable;
