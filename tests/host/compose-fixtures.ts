import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parsePreviewConfig } from '#core/parse-preview-config';
import { defaultPreviewConfig, type PreviewConfig } from '#core/preview-config';
import type { Compose, ComposeCall } from '../../host/compose.ts';
import type { CommandResult } from '../../host/run-command.ts';
import type { MailboxSpec } from '../../lambdas/providers/ec2/mailbox.ts';
import { validateConfig } from '../../lambdas/providers/ec2/validate-config.ts';

/**
 * Compose files with the features that people's files have (see answers in plan-fixtures.test.ts), and what
 * docker compose says about them. The recording lets the planning be tested where there is no Docker;
 * tests/docker/agent-compose.test.ts fails while it differs from the installed docker compose.
 */
export const fixturesFolder = join(import.meta.dirname, '../fixtures/compose');
export const recordingFile = join(fixturesFolder, 'recorded.json');
/** Stands for the fixture's folder in the recording. */
export const PLACE = '/checkout';

/** What docker compose answered while a fixture was planned: the readings of its files, in their order. */
interface Recorded {
  profiles: Reply;
  configs: Reply[];
}
/** The same answer for each reading. */
interface OneAnswer {
  profiles: Reply;
  config: Reply;
}
export interface Reply {
  code: number;
  stdout: string;
  stderr: string;
}
export type Recording = Record<string, Recorded>;

export function fixtureNames(): string[] {
  return readdirSync(fixturesFolder).filter((name) => statSync(join(fixturesFolder, name)).isDirectory());
}

/** The files of a fixture, as a checkout's manifest. */
export function fixtureManifest(name: string): Record<string, string> {
  const folder = join(fixturesFolder, name);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  return Object.fromEntries(
    files.map((entry) => [relative(folder, join(entry.parentPath, entry.name)), '- hash']),
  );
}

/** Puts a fixture where a checkout would be; links stay as they are. */
export function copyFixture(name: string, folder: string): void {
  cpSync(join(fixturesFolder, name), folder, { recursive: true, verbatimSymlinks: true });
}

/** What a fixture's own eph.yaml says. */
export function fixtureConfig(name: string): PreviewConfig {
  const file = join(fixturesFolder, name, 'eph.yaml');
  if (!existsSync(file)) return { ...defaultPreviewConfig, ...namedFiles[name] };
  const parsed = parsePreviewConfig(readFileSync(file, 'utf8'), validateConfig);
  if (!parsed.ok) throw new Error(`${file}: ${parsed.problems[0]?.sentence}`);
  return parsed.config;
}

export function readRecording(): Recording {
  return JSON.parse(readFileSync(recordingFile, 'utf8'));
}

const unused = () => Promise.reject(new Error('docker compose is not called here'));
/** A test that does not set it must not call docker compose. */
export const unusedCompose: Compose = {
  profiles: unused,
  config: unused,
  pull: unused,
  build: unused,
  up: unused,
  containers: unused,
  logs: unused,
  networks: unused,
  digests: unused,
  registryDigest: unused,
  tag: unused,
  dropKeptExcept: unused,
  prune: unused,
};

/** docker compose as it was recorded for a fixture; our override is always accepted. */
export function recordedCompose(recorded: Recorded | OneAnswer, folder: string): Compose {
  const { profiles } = recorded;
  const configs = 'configs' in recorded ? recorded.configs : [recorded.config];
  const reply = ({ code, stdout, stderr }: Reply): CommandResult => ({
    code,
    stdout: stdout.replaceAll(PLACE, folder),
    stderr: stderr.replaceAll(PLACE, folder),
    ended: 'exited',
  });
  let read = 0;
  let last = notRecorded;
  return {
    ...unusedCompose,
    profiles: async () => reply(profiles),
    async config(call) {
      if (call.files[0]?.endsWith('/paths.json')) return defaultsFilledIn(call.files[0]);
      // This is our own file over the repository's: docker compose itself is used to test the two together.
      if (!hasOverride(call)) last = configs[read++] ?? notRecorded;
      return reply(last);
    },
  };
}

const notRecorded: Reply = { code: 1, stdout: '', stderr: 'not recorded: node tests/host/record-compose.ts' };

/** The smallest machine that the default instance types give. */
export const machine = { proxyPort: 8080, cpus: 2, roleIsGuarded: true };

export function hasOverride(call: ComposeCall): boolean {
  return call.files.some((file) => file.endsWith('/override.yaml'));
}

/** The agent asks compose to fill in variables of paths; in the fixtures they have defaults. */
export function fillsPathsIn(call: ComposeCall): boolean {
  return call.files.some((file) => file.endsWith('/paths.json'));
}

async function defaultsFilledIn(file: string): Promise<CommandResult> {
  const text = readFileSync(file, 'utf8').replace(/\$\{[^}]*?:?-([^}]*)\}/g, '$1');
  return { code: 0, stdout: text, stderr: '', ended: 'exited' };
}

export function specFor(
  name: string,
  settings: Partial<PreviewConfig> = {},
  more: Partial<MailboxSpec> = {},
): MailboxSpec {
  return {
    v: 1,
    generation: 1,
    revision: 1,
    delivery: 'delivery',
    environment: '7#42',
    repository: { owner: 'acme', name },
    number: 42,
    branch: 'feature',
    source: {
      kind: 'archive',
      sha: 'a'.repeat(40),
      url: 'https://codeload.example/archive?token=archive-token',
    },
    config: { ...defaultPreviewConfig, ...settings },
    hostname: 'shop-calm-river-42-pr.example.dev',
    urlTemplate: 'https://{host}',
    tunnelToken: 'tunnel-token',
    secrets: {},
    trusted: true,
    idleStopSeconds: 3600,
    ...more,
  };
}

/** What the eph.yaml of a fixture would say, where the fixture is somebody's file as it is. */
export const namedFiles: Record<string, Partial<PreviewConfig>> = {
  posthog: { compose: ['docker-compose.hobby.yml'] },
};
