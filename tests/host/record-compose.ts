import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAgentDisk } from '../../host/agent-disk.ts';
import { type Compose, createCompose } from '../../host/compose.ts';
import { DeployFailure } from '../../host/deploy-failure.ts';
import { planDeployment } from '../../host/plan-deployment.ts';
import { type CommandResult, runCommand } from '../../host/run-command.ts';
import {
  copyFixture,
  fillsPathsIn,
  fixtureConfig,
  fixtureManifest,
  fixtureNames,
  hasOverride,
  machine,
  PLACE,
  type Recording,
  type Reply,
  recordingFile,
  specFor,
} from './compose-fixtures.ts';

/** Asks the installed docker compose what the fixtures mean: `node tests/host/record-compose.ts` writes it down. */
export async function recordFixtures(): Promise<Recording> {
  const recording: Recording = {};
  const home = mkdtempSync(join(tmpdir(), 'eph-record-'));
  try {
    for (const name of fixtureNames()) {
      const disk = await openAgentDisk(join(home, name));
      copyFixture(name, disk.source);
      const tidy = ({ code, stdout, stderr }: CommandResult): Reply => ({
        code,
        stdout: stdout.replaceAll(disk.source, PLACE),
        // The time changes; nothing reads it.
        stderr: stderr.replaceAll(disk.source, PLACE).replace(/time="[^"]*"/g, 'time=""'),
      });
      const entry: Recording[string] = { profiles: { code: 0, stdout: '', stderr: '' }, configs: [] };
      const compose = createCompose(runCommand, (text) => text);
      const recorder: Compose = {
        ...compose,
        async profiles(call) {
          const result = await compose.profiles(call);
          entry.profiles = tidy(result);
          return result;
        },
        async config(call) {
          const result = await compose.config(call);
          if (!hasOverride(call) && !fillsPathsIn(call)) entry.configs.push(tidy(result));
          return result;
        },
      };
      const spec = specFor(name, fixtureConfig(name));
      await planDeployment(spec, fixtureManifest(name), disk, recorder, machine).catch((error: unknown) => {
        if (!(error instanceof DeployFailure)) throw error;
      });
      recording[name] = entry;
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  return recording;
}

if (import.meta.main) {
  const recording = await recordFixtures();
  writeFileSync(recordingFile, `${JSON.stringify(recording, null, 1)}\n`);
  console.log(`recorded ${Object.keys(recording).length} fixtures`);
}
