import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCompose } from '../../host/compose.ts';
import { findComposeFiles } from '../../host/find-compose-files.ts';
import { envFile, interpolatedVariables, provisionalAddresses } from '../../host/preview-variables.ts';
import { type CommandResult, runCommand } from '../../host/run-command.ts';
import {
  fixtureManifest,
  fixtureNames,
  fixturesFolder,
  namedFiles,
  orderFor,
  PLACE,
  type Recording,
  type Reply,
  recordingFile,
} from './compose-fixtures.ts';

/** Asks the installed docker compose what the fixtures mean: `node tests/host/record-compose.ts` writes it down. */
export async function recordFixtures(): Promise<Recording> {
  const compose = createCompose(runCommand, (text) => text);
  const recording: Recording = {};
  const home = mkdtempSync(join(tmpdir(), 'eph-record-'));
  try {
    for (const name of fixtureNames()) {
      const folder = join(home, name);
      cpSync(join(fixturesFolder, name), folder, { recursive: true });
      const manifest = fixtureManifest(name);
      const found = findComposeFiles(Object.keys(manifest), namedFiles[name], undefined);
      if (!found.ok) throw new Error(`${name}: ${found.failure.sentence}`);
      const ephEnv = join(home, 'eph.env');
      writeFileSync(ephEnv, '');
      const envFiles = '.env' in manifest ? [join(folder, '.env'), ephEnv] : [ephEnv];
      const call = { folder, files: found.files.map((file) => join(folder, file)), envFiles };
      const tidy = ({ code, stdout, stderr }: CommandResult): Reply => ({
        code,
        stdout: stdout.replaceAll(folder, PLACE),
        // The name of the plugin's home and the time change; nothing reads them.
        stderr: stderr.replaceAll(folder, PLACE).replace(/time="[^"]*"/g, 'time=""'),
      });
      const order = orderFor(name);
      const texts = call.files.map((file) => readFileSync(file, 'utf8'));
      writeFileSync(
        ephEnv,
        envFile({ ...provisionalAddresses(order, texts), ...interpolatedVariables(order, []) }),
      );
      const config = await compose.config(call);
      recording[name] = { profiles: tidy(await compose.profiles(call)), config: tidy(config) };
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
