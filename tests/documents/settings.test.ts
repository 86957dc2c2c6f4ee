import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { assumedBy } from '../../dev/settings/example-file.ts';
import { ruleInWords } from '../../dev/settings/rule-in-words.ts';
import { writtenFromSettings } from '../../dev/write-settings.ts';
import { parseDeploySettings } from '../../infra/settings/deploy-settings.ts';
import { givenBy, type Need, settingNames, settingsTable } from '../../infra/settings/settings-table.ts';

/** The table of settings against what the parsers assume, what is made from it, and what the documents say. */
const root = join(import.meta.dirname, '../..');
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })].map(read).join('\n');

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
const linesThat = (...needs: Need[]) => settingsTable.filter((line) => needs.includes(givenBy(line)));
const foundOut = linesThat('by a deploy').map(({ name }) => name);
const defaults = Object.entries(parseDeploySettings(must))
  .filter(([name]) => !Object.hasOwn(must, name) && !foundOut.includes(name))
  .map(([name, value]) => ({ name, value: inWords(value) }));

describe('the table of settings', () => {
  it('has every setting once', () => {
    expect(settingNames.length).toBeGreaterThan(40);
    expect(settingNames.filter((name, at) => settingNames.indexOf(name) !== at)).toEqual([]);
  });

  it('says of each what it means, in whole sentences', () => {
    for (const { name, meaning } of settingsTable) {
      expect(meaning, name).toMatch(/^[A-Z`][^\n]{15,}[.]$/);
    }
  });

  it('says of each rule what it asks for', () => {
    for (const { name, rule } of settingsTable) expect(ruleInWords(rule), name).not.toBe('');
  });

  it('says the same as the parsers of what must be set', () => {
    const needed = linesThat('by you', 'by setup').map(({ name }) => name);
    expect(needed.toSorted()).toEqual(Object.keys(must).toSorted());
    expect(foundOut).toEqual(['ACCESS_AUD', 'AGENT_SHA256', 'PROVISION_SHA256']);
  });

  it.each(defaults)('has the default of $name that a deployment gets: $value', ({ name, value }) => {
    const line = settingsTable.find((one) => one.name === name);
    expect(line && assumedBy(line)).toBe(value);
  });

  it('assumes nothing for the rest', () => {
    const rest = linesThat('if you like').filter(({ name }) => !defaults.some((one) => one.name === name));
    expect(rest.length).toBeGreaterThan(3);
    for (const line of rest) expect(assumedBy(line), line.name).toBe('none');
  });

  it('has examples that the rules accept, wherever there is no default to go by', () => {
    for (const line of settingsTable) {
      const needsOne = assumedBy(line) === 'none' && givenBy(line) !== 'by a deploy' && !line.secret;
      if (needsOne) expect(line.example, line.name).toBeDefined();
      if (line.example !== undefined) expect(v.is(line.rule, line.example), line.name).toBe(true);
    }
  });
});

describe('what is written from the table', () => {
  it.each(Object.entries(writtenFromSettings))('%s is up to date: make settings writes it', (path, make) => {
    expect(read(path)).toBe(make());
  });

  it('takes the rules’ words from lists and their items alike', () => {
    const rule = v.pipe(
      v.string(),
      v.minLength(1, 'is not empty'),
      v.transform((text) => [text]),
      v.array(v.string('has texts')),
    );
    expect(ruleInWords(rule)).toBe('is not empty; has texts');
  });
});

describe('.env.example', () => {
  const example = read('.env.example');

  it('has a line for everything that belongs into the file, once, and for nothing else', () => {
    const inFile = settingsTable.filter((line) => !line.secret && givenBy(line) !== 'by a deploy');
    const names = [...example.matchAll(/^(?:# ?)?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(inFile.map(({ name }) => name).toSorted());
  });

  it('sets nothing, so that a copy of it is a deployment with defaults', () => {
    expect(Object.entries(parseEnv(example)).filter(([, value]) => value)).toEqual([]);
  });

  it('begins with what must be set', () => {
    const last = Math.max(...Object.keys(must).map((name) => example.indexOf(`\n${name}=`)));
    expect(example.indexOf('# ---- Optional')).toBeGreaterThan(last);
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
    const known = [...settingNames, ...namesOfOthers()];
    expect(settings.filter((name) => !known.includes(name))).toEqual([]);
  });
});

/** Variables that are no settings of a deployment: of hosts, tests and single commands. */
function namesOfOthers(): string[] {
  const containers = ['EPH_URL', 'EPH_HOST', 'EPH_PR_NUMBER', 'EPH_BRANCH', 'EPH_SHA'];
  const tests = ['TEST_GITHUB_REPO', 'TEST_GITHUB_TOKEN', 'TEST_GITHUB_API_URL'];
  const token = ['CF_SERVICE_TOKEN_ID', 'CF_SERVICE_TOKEN_SECRET'];
  return [...containers, ...tests, ...token, 'WIRE_LOG', 'EPH_DEBUG', 'DEPLOY_TOOLS'];
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
