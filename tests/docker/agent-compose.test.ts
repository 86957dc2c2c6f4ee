import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAgentDisk } from '../../host/agent-disk.ts';
import { createCompose } from '../../host/compose.ts';
import { DeployFailure } from '../../host/deploy-failure.ts';
import { planDeployment } from '../../host/plan-deployment.ts';
import { runCommand } from '../../host/run-command.ts';
import {
  fixtureManifest,
  fixtureNames,
  fixturesFolder,
  namedFiles,
  orderFor,
  readRecording,
} from '../host/compose-fixtures.ts';
import { recordFixtures } from '../host/record-compose.ts';

/** What is started is switched on already. */
function withoutProfiles(text: string): unknown {
  const project = JSON.parse(text);
  for (const service of Object.values<{ profiles?: unknown }>(project.services)) delete service.profiles;
  return project;
}

/** Needs docker compose, not an engine. */
describe('the installed docker compose', () => {
  it('says of each fixture what was recorded', async () => {
    const now = await recordFixtures();
    const recorded = readRecording();
    // Wording and formatting differ between versions; what a file means does not.
    for (const name of fixtureNames()) {
      expect(now[name]?.config.code === 0, name).toBe(recorded[name]?.config.code === 0);
      if (recorded[name]?.config.code !== 0) continue;
      const services = (text = '{}') => JSON.parse(text).services;
      expect(services(now[name]?.config.stdout), name).toEqual(services(recorded[name]?.config.stdout));
    }
  });

  it('accepts the file that Eph lays over each fixture, without host ports and with the variables', async () => {
    const compose = createCompose(runCommand, (text) => text);
    let accepted = 0;
    for (const name of fixtureNames()) {
      const root = await mkdtemp(join(tmpdir(), 'eph-override-'));
      try {
        const disk = await openAgentDisk(root);
        cpSync(join(fixturesFolder, name), disk.source, { recursive: true });
        const settings = {
          ...(namedFiles[name] ? { compose: namedFiles[name] } : {}),
          env: { TRICKY: `a'b"c$d\\e\nf` },
        };
        const plan = await planDeployment(orderFor(name, settings), fixtureManifest(name), disk, compose, {
          proxyPort: 8080,
          roleIsGuarded: true,
        }).catch((error: unknown) => error);
        if (plan instanceof DeployFailure) continue;
        if (plan instanceof Error) throw plan;
        const { call, installed } = plan as Awaited<ReturnType<typeof planDeployment>>;
        const { stdout } = await compose.config(call);
        const { services } = JSON.parse(stdout);
        await mkdir(installed.call.folder, { recursive: true });
        const readBack = await compose.config(installed.call);
        expect(readBack.stderr, name).toBe('');
        const everywhere = (text: string) => withoutProfiles(text.replaceAll(disk.source, disk.app));
        expect(everywhere(readBack.stdout), name).toEqual(everywhere(stdout));
        for (const [service, what] of Object.entries<{ ports?: unknown[]; container_name?: string }>(
          services,
        )) {
          expect(what.ports ?? [], `${name} ${service}`).toHaveLength(service === 'eph-proxy' ? 1 : 0);
          expect(what.container_name).toBeUndefined();
        }
        const primary = installed.services[0]?.name ?? '';
        // compose prints `$` as `$$`.
        expect(services[primary].environment).toMatchObject({ EPH: '1', TRICKY: `a'b"c$$d\\e\nf` });
        if (name === 'dollar-and-urls') {
          expect(services.web.environment).toMatchObject({
            API: 'https://shop-calm-river-42-pr.example.dev/api',
            PRICE: '5$$',
          });
          expect(services.api.build.args).toEqual({ SELF: 'http://api:3000' });
          expect(await readFile(call.envFiles[0] ?? '', 'utf8')).toContain('EPH_SHA=');
        }
        accepted++;
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    }
    expect(accepted).toBeGreaterThan(25);
  });
});
