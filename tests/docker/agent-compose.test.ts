import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
  copyFixture,
  fixtureConfig,
  fixtureManifest,
  fixtureNames,
  machine,
  type Recording,
  readRecording,
  specFor,
} from '../host/compose-fixtures.ts';
import { recordFixtures } from '../host/record-compose.ts';

/** Profiles of started services are enabled already. */
function withoutProfiles(text: string): unknown {
  const project = JSON.parse(text);
  for (const service of Object.values<{ profiles?: unknown }>(project.services)) delete service.profiles;
  return project;
}

function installedCompose(): string {
  return execFileSync('docker', ['compose', 'version', '--short'], { encoding: 'utf8' })
    .trim()
    .replace(/^v|-.*$/g, '');
}

/** The version that hosts have. */
function pinnedCompose(): string {
  const pins = readFileSync(join(import.meta.dirname, '../../packer/pins.env'), 'utf8');
  return /^COMPOSE_VERSION=v?(\S+)$/m.exec(pins)?.[1] ?? '';
}

/** Needs docker compose, not an engine. */
describe('the installed docker compose', () => {
  it('gives the recorded output for each fixture', async () => {
    const now = await recordFixtures();
    const recorded = readRecording();
    // Wording and formatting differ between versions; what a file means does not.
    const meanings = (recording: Recording, name: string) =>
      recording[name]?.configs.map(({ code, stdout }) =>
        code === 0 ? JSON.parse(stdout).services : 'refused',
      );
    const isPinned = installedCompose() === pinnedCompose();
    for (const name of fixtureNames()) {
      // A version older than the hosts' refuses newer keys; the files that it accepts must mean the same to it.
      if (!isPinned && meanings(now, name)?.includes('refused')) continue;
      expect(meanings(now, name), name).toEqual(meanings(recorded, name));
    }
  });

  it('accepts the file that Eph lays over each fixture, without host ports and with the variables', async () => {
    const compose = createCompose(runCommand, (text) => text);
    let accepted = 0;
    for (const name of fixtureNames()) {
      const root = await mkdtemp(join(tmpdir(), 'eph-override-'));
      try {
        const disk = await openAgentDisk(root);
        copyFixture(name, disk.source);
        const settings = { ...fixtureConfig(name), env: { TRICKY: `a'b"c$d\\e\nf` } };
        const plan = await planDeployment(
          specFor(name, settings),
          fixtureManifest(name),
          disk,
          compose,
          machine,
        ).catch((error: unknown) => error);
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
        if (name === 'network-mode-bridge') {
          expect(services.web.network_mode).toBeUndefined();
          expect(services.web.networks).toEqual({ default: null });
        }
        if (name === 'static-address-taken') {
          expect(services['eph-proxy'].networks.app.ipv4_address).toBe('172.28.7.254');
        }
        if (name === 'pwd-variable') {
          expect(services.web.volumes[0].source).toBe(join(disk.source, 'html'));
        }
        if (name === 'more-cpus') expect(Number(services.web.deploy.resources.limits.cpus)).toBe(2);
        accepted++;
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    }
    expect(accepted).toBeGreaterThan(25);
  });
});
