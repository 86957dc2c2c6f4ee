import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Order } from '#core/mailbox';
import { defaultPreviewConfig, type PreviewConfig } from '#core/preview-config';
import type { Compose } from '../../host/compose.ts';
import type { CommandResult } from '../../host/run-command.ts';

/**
 * Compose files with the features that people's files have (see answers in plan-fixtures.test.ts), and what
 * docker compose says about them. The recording lets the planning be tested where there is no Docker;
 * tests/docker/agent-compose.test.ts fails while it differs from the installed docker compose.
 */
export const fixturesFolder = join(import.meta.dirname, '../fixtures/compose');
export const recordingFile = join(fixturesFolder, 'recorded.json');
/** Stands for the fixture's folder in the recording. */
export const PLACE = '/checkout';

interface Recorded {
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
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files.map((entry) => [relative(folder, join(entry.parentPath, entry.name)), '- hash']),
  );
}

export function readRecording(): Recording {
  return JSON.parse(readFileSync(recordingFile, 'utf8'));
}

/** docker compose as it was recorded for a fixture; our override is always accepted. */
export function recordedCompose(recorded: Recorded, folder: string): Compose {
  const reply = ({ code, stdout, stderr }: Reply): Promise<CommandResult> =>
    Promise.resolve({
      code,
      stdout: stdout.replaceAll(PLACE, folder),
      stderr: stderr.replaceAll(PLACE, folder),
      ended: 'exited',
    });
  const unused = () => Promise.reject(new Error('planning starts nothing'));
  return {
    profiles: () => reply(recorded.profiles),
    config: ({ files: [file = ''] }) =>
      file.endsWith('/paths.json') ? defaultsFilledIn(file) : reply(recorded.config),
    pull: unused,
    build: unused,
    up: unused,
    containers: unused,
    logs: unused,
    prune: unused,
  };
}

/** The agent asks compose to fill in variables; in the fixtures they have defaults. */
async function defaultsFilledIn(file: string): Promise<CommandResult> {
  const text = readFileSync(file, 'utf8').replace(/\$\{[^}]*?:?-([^}]*)\}/g, '$1');
  return { code: 0, stdout: text, stderr: '', ended: 'exited' };
}

export function orderFor(
  name: string,
  settings: Partial<PreviewConfig> = {},
  more: Partial<Order> = {},
): Order {
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

/** Which files a fixture's eph.yaml would name. */
export const namedFiles: Record<string, string[]> = { posthog: ['docker-compose.hobby.yml'] };
