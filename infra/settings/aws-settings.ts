import * as v from 'valibot';
import type { SettingsTable } from '#settings/setting';

const someText = v.pipe(v.string(), v.nonEmpty('is not empty'));

/** The part of the table of settings that the AWS SDK, CDK and Packer read by themselves. */
export const awsSettings = {
  AWS_PROFILE: {
    section: 'deployment',
    meaning: 'The profile in `~/.aws` that deploys. Without it the SDK looks where it always does.',
    example: 'acme-deployer',
    rule: someText,
    optional: true,
  },
  AWS_ACCESS_KEY_ID: {
    section: 'deployment',
    meaning: 'The credentials of AWS instead of a profile, as GitHub Actions have them.',
    rule: someText,
    optional: true,
    secret: true,
  },
  AWS_SECRET_ACCESS_KEY: {
    section: 'deployment',
    meaning: 'The second part of the credentials of AWS.',
    rule: someText,
    optional: true,
    secret: true,
  },
  AWS_SESSION_TOKEN: {
    section: 'deployment',
    meaning: 'The third part of the credentials of AWS, where they are temporary.',
    rule: someText,
    optional: true,
    secret: true,
  },
} as const satisfies SettingsTable;
