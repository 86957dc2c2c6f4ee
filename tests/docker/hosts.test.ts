import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanLeftovers, PLATFORM_MARK } from '../../local/hosts/clean-leftovers.ts';
import { bridgeName, createNetwork, type HostNetwork, platformId } from '../../local/hosts/create-network.ts';
import { type Hosts, startHosts } from '../../local/hosts/start-hosts.ts';
import { type Registry, startRegistry } from '../../local/images/start-registry.ts';

const root = join(import.meta.dirname, '../..');
const shell = promisify(execFile);

const COMPOSE = `
services:
  web:
    image: node:24
    command: node -e "require('http').createServer((_, r) => require('net').connect(6379, 'cache').on('data', (d) => r.end(d)).write('PING\\\\r\\\\n')).listen(3000)"
    ports: ['127.0.0.1:8080:3000']
    depends_on: { cache: { condition: service_healthy } }
    mem_limit: 256m
    restart: always
  cache:
    image: redis:7
    command: --save 1 1
    volumes: ['data:/data']
    healthcheck: { test: redis-cli ping, interval: 300ms, timeout: 2s, retries: 50 }
    restart: always
volumes: { data: {} }
`;

describe('local hosts', () => {
  let temp: string;
  let dir: string;
  let network: HostNetwork;
  let registry: Registry;
  let hosts: Hosts;
  const admitted: string[] = [];
  const wentOff: string[] = [];

  const machine = (instanceId: string, first = true) => ({
    instanceId,
    userData: '',
    first,
    imds: { url: `http://${network.address}:1`, answerOnly: (address: string) => admitted.push(address) },
    wentOff: () => wentOff.push(instanceId),
  });

  /** Runs a script on a machine and fails with its output if it does. */
  async function on(instanceId: string, script: string): Promise<string> {
    const done = await hosts.run(instanceId, script, {}, AbortSignal.timeout(120_000));
    expect(done.code, `${script}\n${done.stdout}${done.stderr}`).toBe(0);
    return done.stdout.trim();
  }

  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'eph-hosts-'));
    dir = join(temp, 'hosts');
    const bootstrap = join(temp, 'bootstrap.sh');
    await writeFile(
      bootstrap,
      '#!/bin/sh\necho "booted $AWS_EC2_METADATA_SERVICE_ENDPOINT"; exec sleep 1000\n',
    );
    await chmod(bootstrap, 0o755);
    await cleanLeftovers(dir);
    network = await createNetwork(dir);
    registry = await startRegistry({ dir: join(root, '.tools/registry'), address: network.address });
    await registry.ensureImages(['node:24', 'redis:7', 'busybox:1']);
    const url = `http://${network.address}:1`;
    const addresses = { registryUrl: registry.url, edgeUrl: url, awsUrl: url };
    hosts = await startHosts({ dir, network, ...addresses, log: () => undefined, bootstrap });
  });

  afterAll(async () => {
    await hosts?.close();
    await registry?.close();
    await network?.close();
    await rm(temp, { recursive: true, force: true });
  });

  it('boots a machine with an engine of its own, runs its bootstrap, and serves its commands', async () => {
    await hosts.start(machine('i-one'));
    expect(await on('i-one', 'docker info --format "{{.ServerVersion}} {{.Containers}}"')).toMatch(
      /^\d+\.\d+.* 0$/,
    );
    expect(await on('i-one', 'touch "$EPH_ROOT/here"; docker compose version --short')).toMatch(/^2\./);
    expect(existsSync(join(dir, 'i-one/eph/here'))).toBe(true);
    expect(admitted).toEqual([network.machineAddress(0).split('/')[0]]);
    await expect
      .poll(() => readFile(hosts.consoleLog('i-one'), 'utf8'))
      .toContain(`booted http://${network.address}`);
    const failed = await hosts.run(
      'i-one',
      'echo "$SSM_Generation" >&2; exit 7',
      { SSM_Generation: '3' },
      new AbortController().signal,
    );
    expect(failed).toEqual({ code: 7, stdout: '', stderr: '3\n' });
  });

  it('ends a cancelled command, with everything that it started', async () => {
    const cancelled = hosts.run('i-one', 'sleep 987 & sleep 987', {}, AbortSignal.timeout(300));
    await expect(cancelled).rejects.toThrow(/timeout/i);
    await expect.poll(() => on('i-one', 'ps -eo args | grep "[s]leep 987" || true')).toBe('');
  });

  it('pulls from the local registry, and says at once that an image is not there', async () => {
    expect(await on('i-one', 'docker run --rm busybox:1 echo hello')).toBe('hello');
    const started = performance.now();
    const missing = await hosts.run('i-one', 'docker pull nobody/nothing:9', {}, AbortSignal.timeout(60_000));
    expect(missing.code).not.toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('lets containers reach the platform and no other machine', async () => {
    const bridge = () => readFile(`/sys/class/net/${bridgeName(network.platform)}/address`, 'utf8');
    const before = await bridge();
    await hosts.start(machine('i-two'));
    expect(await on('i-one', `docker run --rm busybox:1 wget -qO- ${registry.url}/v2/`)).toBe('{}');
    const other = network.machineAddress(1).split('/')[0];
    expect((await hosts.run('i-one', `ping -c1 -W1 ${other}`, {}, AbortSignal.timeout(9_000))).code).not.toBe(
      0,
    );
    await hosts.terminate('i-two');
    // A bridge that changes its address leaves the other machines without network for up to 10 s.
    expect(await bridge()).toBe(before);
  });

  it('runs a compose file of two services, and its volume outlives a stop', async () => {
    const app = '/run/eph/app';
    await mkdir(join(dir, 'i-one/eph/app'), { recursive: true });
    await writeFile(join(dir, 'i-one/eph/app/compose.yaml'), COMPOSE);
    await on('i-one', `cd ${app} && docker compose up -d --wait --quiet-pull`);
    const page =
      'for i in $(seq 100); do curl -sf -m 1 http://127.0.0.1:8080/ && exit; sleep 0.1; done; exit 1';
    expect(await on('i-one', page)).toBe('+PONG');
    await on('i-one', `cd ${app} && docker compose exec -T cache redis-cli set word kept`);
    await hosts.stop('i-one');
    await expect(hosts.run('i-one', 'true', {}, AbortSignal.timeout(1_000))).rejects.toThrow('i-one is off');
    expect(await processesOf(platformId(dir))).toEqual([]);
    await hosts.start(machine('i-one', false));
    expect(await on('i-one', page)).toBe('+PONG');
    expect(await on('i-one', `cd ${app} && docker compose exec -T cache redis-cli get word`)).toBe('kept');
  });

  it('keeps two machines apart', async () => {
    await hosts.start(machine('i-three'));
    expect(await on('i-three', 'docker ps -aq; docker images -q; docker volume ls -q')).toBe('');
    await hosts.terminate('i-three');
  });

  it('says when a machine powers itself off, and starts it again with its disk', async () => {
    await hosts.start(machine('i-four'));
    await on('i-four', 'touch "$EPH_ROOT/kept"');
    await hosts.run('i-four', 'poweroff', {}, AbortSignal.timeout(20_000)).catch(() => undefined);
    await expect.poll(() => wentOff, { timeout: 10_000 }).toEqual(['i-four']);
    await hosts.stop('i-four');
    await hosts.start(machine('i-four', false));
    await on('i-four', 'ls "$EPH_ROOT/kept"');
    await hosts.terminate('i-four');
    expect(wentOff).toEqual(['i-four']);
  });

  it('starts its bootstrap again when that ends, and both when the engine does', async () => {
    const boots = async () => (await readFile(hosts.consoleLog('i-five'), 'utf8')).match(/^booted/gm)?.length;
    await hosts.start(machine('i-five'));
    await expect.poll(boots).toBe(1);
    await on('i-five', 'pkill -KILL -f "[s]leep 1000"');
    await expect.poll(boots, { timeout: 10_000 }).toBe(2);
    await on('i-five', 'kill -KILL $(cat /run/docker.pid)');
    await expect.poll(boots, { timeout: 30_000 }).toBe(3);
    await on('i-five', 'docker info --format up');
    await hosts.terminate('i-five');
  });

  it('leaves nothing of a terminated machine', async () => {
    await hosts.terminate('i-one');
    expect(existsSync(join(dir, 'i-one'))).toBe(false);
    expect(await processesOf(network.platform)).toEqual([]);
    expect((await shell('ip', ['-o', 'link'])).stdout).not.toContain(`ev${network.platform}-`);
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(dir);
    expect(
      (await shell('find', ['/sys/fs/cgroup', '-maxdepth', '2', '-name', `eph-${network.platform}-*`]))
        .stdout,
    ).toBe('');
  });

  it('says why a machine did not boot', async () => {
    await mkdir(join(dir, 'i-broken'), { recursive: true });
    await writeFile(join(dir, 'i-broken/docker'), 'a file where the engine wants its folder');
    await expect(hosts.start(machine('i-broken'))).rejects.toThrow(
      /Machine i-broken did not boot.*\n.*docker/s,
    );
    await hosts.terminate('i-broken');
  });

  it('ends its machines when it is killed, and the next run removes the rest', async () => {
    const killed = join(temp, 'killed');
    const script = join(temp, 'platform.ts');
    await writeFile(script, platformScript(killed));
    const child = execFile(process.execPath, [script]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const platform = platformId(killed);
    expect(await processesOf(platform)).not.toEqual([]);
    await expect(cleanLeftovers(killed)).rejects.toThrow(/Another local platform \(process \d+\) is running/);
    child.kill('SIGKILL');
    await expect.poll(() => processesOf(platform), { timeout: 10_000 }).toEqual([]);
    const rules = async () => (await shell('iptables-save')).stdout;
    expect(await links()).toContain(bridgeName(platform));
    expect(await rules()).toContain(bridgeName(platform));
    await cleanLeftovers(killed);
    expect(await links()).not.toContain(bridgeName(platform));
    expect(await rules()).not.toContain(bridgeName(platform));
    expect(await links()).toContain(bridgeName(network.platform));
    expect(existsSync(killed)).toBe(false);
  });

  function platformScript(killed: string): string {
    return `
      import { own } from '${root}/local/hosts/clean-leftovers.ts';
      import { createNetwork } from '${root}/local/hosts/create-network.ts';
      import { startHosts } from '${root}/local/hosts/start-hosts.ts';
      const dir = '${killed}', url = 'http://127.0.0.1:1';
      await own(dir);
      const network = await createNetwork(dir);
      const addresses = { registryUrl: url, edgeUrl: url, awsUrl: url };
      const hosts = await startHosts({ dir, network, ...addresses, log: () => {}, bootstrap: '${temp}/bootstrap.sh' });
      const imds = { url, answerOnly: () => {} };
      await hosts.start({ instanceId: 'i-k', userData: '', first: true, imds, wentOff: () => {} });
      console.log('on');
      setInterval(() => {}, 1000);`;
  }
});

async function links(): Promise<string> {
  return (await shell('ip', ['-o', 'link'])).stdout;
}

async function processesOf(platform: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`${PLATFORM_MARK}=${platform}`)) found.push(pid);
  }
  return found;
}
