import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseDeploySettings } from '../../infra/settings/deploy-settings.ts';

/** `.env.example` and the documents against what the code reads and assumes. */
const root = join(import.meta.dirname, '../..');
const example = read('.env.example');
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })].map(read).join('\n');

/** Found out by a deploy (`infra/deploy/stack-settings.ts`), not given by the operator. */
const foundOut = ['ACCESS_AUD', 'AGENT_SHA256', 'PROVISION_SHA256'];
/** Not in the schemas: the AWS SDK, CDK and Packer read it by themselves. */
const others = ['AWS_PROFILE'];
const ofStack = namesIn('infra/settings/settings.ts').filter((name) => !foundOut.includes(name));
const ofCommands = namesIn('infra/settings/deploy-settings.ts').filter(
  (name) => !foundOut.includes(name) && !ofStack.includes(name),
);

const must = {
  DEPLOYMENT_ID: 'staging',
  AWS_REGION: 'eu-central-1',
  PREVIEW_ZONE: 'acme.dev',
  PREVIEW_ZONE_ID: 'a'.repeat(32),
  CLOUDFLARE_ACCOUNT_ID: 'b'.repeat(32),
  ACCESS_TEAM: 'acme',
  ACCESS_ALLOW: '@acme.dev',
  GITHUB_OWNER: 'acme',
  GITHUB_APP_ID: '17',
  GITHUB_APP_SLUG: 'eph-staging',
};
const defaults = Object.entries(parseDeploySettings(must))
  .filter(([name]) => !Object.hasOwn(must, name) && !foundOut.includes(name))
  .map(([name, value]) => ({ name, value: inWords(value) }));

describe('.env.example', () => {
  it('has every setting of the two schemas, once, and no other', () => {
    const lines = [...example.matchAll(/^([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name ?? '');
    expect(lines.toSorted()).toEqual([...ofStack, ...ofCommands, ...others].toSorted());
  });

  it('sets nothing, so that a copy of it is a deployment with defaults', () => {
    expect(Object.entries(parseEnv(example)).filter(([, value]) => value)).toEqual([]);
  });

  it('says of each what it is and who reads it', () => {
    for (const name of [...ofStack, ...ofCommands, ...others]) {
      const reader = ofStack.includes(name) ? 'stack' : ofCommands.includes(name) ? 'commands' : 'AWS';
      expect(textOf(name), name).toMatch(new RegExp(`^.{15,}\\bRead by: ${reader}`, 's'));
    }
  });

  it.each(defaults)('says what $name is when it is not set: $value', ({ name, value }) => {
    expect(textOf(name)).toContain(`Default: ${value}.`);
  });

  it('says that nothing is assumed for the rest of the optional ones', () => {
    const unset = [...ofStack, ...ofCommands].filter(
      (name) => !Object.hasOwn(must, name) && !defaults.some((one) => one.name === name),
    );
    expect(unset.length).toBeGreaterThan(3);
    for (const name of unset) expect(textOf(name), name).toContain('Default: none');
  });

  it('says that the others must be set', () => {
    for (const name of Object.keys(must)) expect(textOf(name), name).not.toContain('Default');
    expect(example.indexOf('# Optional')).toBeGreaterThan(
      Math.max(...Object.keys(must).map((name) => example.indexOf(`\n${name}=`))),
    );
  });
});

describe('the documents', () => {
  it('quotes defaults as they are, and only settings that there are', () => {
    const quoted = [...documents.matchAll(/`([A-Z][A-Z0-9_]+)(?:=\w+)?`,? \(?default `([^`]+)`/g)];
    expect(quoted.length).toBeGreaterThan(2);
    for (const [, name, value] of quoted) {
      expect(defaults.find((one) => one.name === name)?.value, name).toBe(value);
    }
  });

  it('names settings that there are', () => {
    const settings = [...documents.matchAll(/`([A-Z]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)].map(
      ([, name]) => name ?? '',
    );
    const known = [...ofStack, ...ofCommands, ...others, ...namesOfOthers()];
    expect(settings.filter((name) => !known.includes(name))).toEqual([]);
  });
});

/** Variables that are no settings of a deployment: of hosts, tests and single commands. */
function namesOfOthers(): string[] {
  const containers = ['EPH_URL', 'EPH_HOST', 'EPH_PR_NUMBER', 'EPH_BRANCH', 'EPH_SHA'];
  const tests = ['TEST_GITHUB_REPO', 'TEST_GITHUB_TOKEN', 'TEST_GITHUB_API_URL'];
  const token = ['CF_SERVICE_TOKEN_ID', 'CF_SERVICE_TOKEN_SECRET', 'CLOUDFLARE_API_TOKEN'];
  return [...containers, ...tests, ...token, 'WIRE_LOG', 'EPH_DEBUG', 'DEPLOY_TOOLS'];
}

/** The comment above a variable, as one line. */
function textOf(name: string): string {
  const [before = ''] = example.split(new RegExp(`^${name}=`, 'm'));
  const above = before.split('\n').slice(0, -1);
  const first = above.findLastIndex((line) => !line.startsWith('# ')) + 1;
  return above
    .slice(first)
    .map((line) => line.slice(2))
    .join(' ');
}

function namesIn(file: string): string[] {
  return [...new Set([...read(file).matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm)].map(([, name]) => name ?? ''))];
}

/** As a person would write it: what is made from another setting names that. */
function inWords(value: unknown): string {
  if (value === undefined || value === '') return 'none';
  if (Array.isArray(value)) return value.map(String).join(',') || 'none';
  return String(value).replace('acme.dev', '<PREVIEW_ZONE>').replace('staging', '<DEPLOYMENT_ID>');
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
