import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentDisk, openAgentDisk } from '../../host/agent-disk.ts';
import { planDeployment } from '../../host/plan-deployment.ts';
import { recordedCompose, specFor } from './compose-fixtures.ts';

describe('a plan', () => {
  let disk: AgentDisk;
  beforeEach(async () => {
    disk = await openAgentDisk(await mkdtemp(join(tmpdir(), 'eph-plan-')));
  });
  afterEach(() => rm(disk.root, { recursive: true, force: true }));

  /** `printed` is what docker compose says of the checkout. */
  function plan(
    files: Record<string, string | { link: string }>,
    printed: unknown,
    trusted = true,
    roleIsGuarded = true,
  ) {
    for (const [path, content] of Object.entries(files)) {
      const file = join(disk.source, path);
      mkdirSync(dirname(file), { recursive: true });
      if (typeof content === 'string') writeFileSync(file, content);
      else symlinkSync(content.link, file);
    }
    const manifest = Object.fromEntries(Object.keys(files).map((path) => [path, '- hash']));
    const said = { code: 0, stdout: JSON.stringify(printed), stderr: '' };
    const compose = recordedCompose({ profiles: said, config: said }, disk.source);
    return planDeployment(specFor('shop', {}, { trusted }), manifest, disk, compose, {
      proxyPort: 8080,
      roleIsGuarded,
    });
  }
  const web = { image: 'nginx:1', ports: [{ target: 80, published: '8080' }] };
  const files = { 'compose.yaml': 'services: {web: {image: "nginx:1", ports: ["8080:80"]}}' };

  it('is refused for everybody where compose would run a program of the repository', async () => {
    const printed = { services: { web, tool: { provider: { type: 'bash' } } } };
    await expect(plan(files, printed)).rejects.toThrow('`tool` has a `provider`');
  });

  it('is refused for a fork whose files read the machine, and warns a branch', async () => {
    const reading = { 'compose.yaml': 'services: {web: {image: x, env_file: /var/lib/eph/tunnel-token}}' };
    await expect(plan(reading, { services: { web } }, false)).rejects.toThrow(
      'reads /var/lib/eph/tunnel-token from outside of the repository (`env_file`); that is refused',
    );
    const { warnings } = await plan(reading, { services: { web } });
    expect(warnings.join()).toContain('reads /var/lib/eph/tunnel-token from outside');
  });

  it('is refused for a fork whose files only compose can read', async () => {
    const odd = { 'compose.yaml': 'a: b: c' };
    await expect(plan(odd, { services: { web } }, false)).rejects.toThrow('in a way that Eph cannot check');
  });

  it('is refused where it needs the host network of a machine that cannot keep it from its role', async () => {
    const printed = { services: { web, agent: { image: 'x', network_mode: 'host' } } };
    await expect(plan(files, printed, true, false)).rejects.toThrow(
      "`agent` uses the machine's network; that is refused on this machine",
    );
    await expect(plan(files, { services: { web } }, true, false)).resolves.toBeDefined();
    await expect(plan(files, printed)).resolves.toMatchObject({
      warnings: ["`agent` uses the machine's network."],
    });
  });

  it('names the file that `.env` is a link to, when the repository lacks it', async () => {
    await expect(plan({ ...files, '.env': { link: 'app.conf' } }, { services: { web } })).rejects.toThrow(
      '`.env` is a link to `app.conf`, which is not a file in the repository.',
    );
  });

  it('runs the checked files, not those that a container may have written since', async () => {
    const source = { type: 'bind', source: join(disk.source, 'html'), target: '/html' };
    const printed = {
      services: {
        web: {
          ...web,
          profiles: ['preview'],
          environment: { PRICE: '5$$', A$$B: '1' },
          volumes: [source, { type: 'bind', source: '/etc/localtime', target: '/t' }],
          blkio_config: { device_read_bps: [{ Path: '/dev/sda', Rate: '12' }] },
        },
      },
      volumes: { own: { driver_opts: { type: 'none', o: 'bind', device: join(disk.source, 'data') } } },
      secrets: { key: { file: join(disk.source, 'key') } },
    };
    const { installed } = await plan({ ...files, '.env': 'A=1\n' }, printed);
    const { call } = installed;
    for (const file of [...call.files, ...call.envFiles]) {
      expect(file.startsWith(disk.generationFolder(1)), file).toBe(true);
    }
    expect(JSON.parse(await readFile(call.files[0] ?? '', 'utf8'))).toEqual({
      services: {
        web: {
          ...web,
          environment: { PRICE: '5$$', A$B: '1' },
          volumes: [
            { ...source, source: join(disk.app, 'html') },
            { type: 'bind', source: '/etc/localtime', target: '/t' },
          ],
          blkio_config: { device_read_bps: [{ path: '/dev/sda', rate: '12' }] },
        },
      },
      volumes: { own: { driver_opts: { type: 'none', o: 'bind', device: join(disk.app, 'data') } } },
      secrets: { key: { file: join(disk.app, 'key') } },
    });
    expect(await readFile(call.envFiles[0] ?? '', 'utf8')).toBe('A=1\n');
  });
});
