import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import type { SettingsTable } from '#settings/setting';
import { httpUrl, nameInDns, yesOrNo } from '#settings/setting-rules';
import { isAccessItem } from '../cloudflare/access-rules.ts';

/** The part of the table of settings that only the operator's commands read. */
export const commandSettings = {
  AWS_REGION: {
    section: 'deployment',
    meaning: 'The region of AWS that everything is made in.',
    example: 'eu-central-1',
    rule: v.pipe(v.string(), v.regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'looks like eu-central-1')),
  },
  AWS_DEPLOYER: {
    section: 'deployment',
    meaning:
      'Who deploys. self: the identity that AWS_PROFILE or the shell gives, as it is. role: `eph-<id>-deployer`, which `make setup` makes with the least rights that work.',
    rule: v.picklist(['self', 'role'], 'is self or role'),
    default: 'self',
  },
  DEPLOY_REPOSITORY: {
    section: 'deployment',
    meaning:
      'The repository whose GitHub Actions may deploy with that role, from its environment "production" (`.github/workflows/deploy.yml`). `make setup` makes the trust.',
    example: 'acme/eph',
    rule: v.pipe(v.string(), v.regex(/^[\w.-]+\/[\w.-]+$/, 'is a repository like acme/eph')),
    optional: true,
  },

  WEBHOOK_HOST: {
    section: 'addresses',
    meaning:
      "Where GitHub delivers its webhooks: one label before the zone. It is not behind the sign-in, because the Worker checks GitHub's signature.",
    rule: nameInDns('host name'),
    defaultFrom: 'eph-<DEPLOYMENT_ID>-hooks.<PREVIEW_ZONE>',
  },
  DASHBOARD_HOST: {
    section: 'addresses',
    meaning:
      'Where the dashboard will be: one label before the zone. It is protected from the first deploy on.',
    rule: nameInDns('host name'),
    defaultFrom: 'eph-<DEPLOYMENT_ID>.<PREVIEW_ZONE>',
  },

  ACCESS_ALLOW: {
    section: 'sign-in',
    meaning:
      'Who may open previews and the dashboard: persons, domains, GitHub organisations and their teams, separated by commas.',
    example: 'ada@acme.dev,@acme.dev,github:acme,github:acme/web',
    rule: v.pipe(
      commaList,
      v.minLength(1, 'names at least one person, domain or GitHub organisation'),
      v.everyItem(isAccessItem, 'has items like ada@acme.dev, @acme.dev, github:acme or github:acme/web'),
    ),
  },
  ACCESS_SESSION: {
    section: 'sign-in',
    meaning:
      'How long a sign-in lasts, in hours or minutes. Whoever leaves the organisation stays signed in that long.',
    rule: v.pipe(v.string(), v.regex(/^[1-9]\d*[mh]$/, 'looks like 8h or 30m')),
    default: '8h',
  },

  GITHUB_OWNER: {
    section: 'github',
    meaning: 'The organisation or the person that owns the GitHub App.',
    example: 'acme',
    rule: v.pipe(v.string(), v.regex(/^[\w-]+$/, 'is the login of an organisation or a person')),
  },
  GITHUB_APP_SLUG: {
    section: 'github',
    meaning: 'The name of the GitHub App in its address, `github.com/apps/<name>`.',
    example: 'eph-acme',
    rule: v.pipe(v.string(), v.regex(/^[\w-]+$/, 'is the last part of github.com/apps/...')),
    foundBy: 'setup',
  },
  GITHUB_URL: {
    section: 'github',
    meaning: 'The pages of GitHub. Those of a GitHub Enterprise Server are at `https://<host>`.',
    rule: httpUrl,
    default: 'https://github.com',
  },

  HOST_IMAGE: {
    section: 'hosts',
    meaning:
      'What a host starts from. baked: a machine image made with Packer. stock: Amazon Linux 2023, which is set up at each first boot and is slower.',
    rule: v.picklist(['baked', 'stock'], 'is baked or stock'),
    default: 'baked',
  },
  ARM64: {
    section: 'hosts',
    meaning: 'Set it to true to let an `eph.yaml` say `arch: arm64`, which takes an image of its own.',
    rule: yesOrNo,
    default: 'false',
  },
} as const satisfies SettingsTable;
