import { appendFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_LOG_BYTES, MAX_LOG_LINE_BYTES } from '#core/limits';
import { defaultPreviewConfig } from '#core/preview-config';
import { progressSchema, resultSchema } from '../../lambdas/providers/ec2/mailbox.ts';
import { createFakeMachine, type FakeMachine, runningAgent } from './fake-machine.ts';
import { repositoryArchive } from './make-archive.ts';

const web = (version: string) => ({ image: `web:${version}`, ports: [{ target: 80, published: '80' }] });

describe('the agent', () => {
  let machine: FakeMachine;
  beforeEach(async () => {
    machine = await createFakeMachine();
  });
  afterEach(() => machine.close());

  it('waits for its first deployment spec, then deploys it and reports what serves', async () => {
    await machine.boot();
    machine.spec({ web: web('1'), db: { image: 'postgres' } });
    const result = await machine.resultOf(1);
    expect(v.is(resultSchema, result)).toBe(true);
    expect(result).toMatchObject({
      outcome: 'ready',
      sha: '1'.padStart(40, '0'),
      serving: { generation: 1 },
    });
    expect(result.services.map(({ name, path }) => [name, path])).toEqual([['web', '/']]);
    expect(machine.tunnelTokens).toContain('tunnel-token');
    expect(machine.log()).toMatch(
      /\[fetching\]\n\[planning\]\n\[pulling\]\n\[building\]\n\[starting\]\n\[checking\]\nready/,
    );
  });

  it('reports progress when the public services become known or change, and not otherwise', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.resultOf(1);
    const [first, ...more] = machine.acts();
    expect(more).toEqual([]);
    expect(v.is(progressSchema, first)).toBe(true);
    expect(first).toMatchObject({ generation: 1, revision: 1, stage: 'pulling' });
    machine.spec({ web: web('2') });
    machine.notify();
    await machine.resultOf(2);
    expect(machine.acts()).toEqual([first]);
    machine.spec({ web: web('2'), api: { image: 'api', ports: [{ target: 3000, published: '3000' }] } });
    machine.notify();
    await machine.resultOf(3);
    expect(
      machine
        .acts()
        .at(-1)
        ?.services.map((service) => service.name),
    ).toEqual(['web', 'api']);
  });

  it('reports what it waits for after half a minute, at most once a minute and nothing twice', async () => {
    // Each answer differs from the last, so that there is as much to report as possible.
    const answers = () => ({
      kind: 'answered' as const,
      status: 500 + (machine.docker.probes % 99),
      byProxy: false,
      body: '',
    });
    Object.defineProperty(machine.docker, 'answer', { get: answers });
    await machine.boot();
    const began = machine.now();
    machine.spec({ web: web('1') });
    const result = await machine.resultOf(1);
    expect(result).toMatchObject({ outcome: 'failed', failure: { code: 'health-check' } });
    const words = machine.words();
    expect(words.every((word) => v.is(progressSchema, word))).toBe(true);
    expect(words.at(-1)).toMatchObject({
      stage: 'checking',
      waiting: expect.stringMatching(/^`web` answers 5\d\d at `\/`, waiting until \d\d:\d\d UTC$/),
    });
    expect(new Set(words.map(({ stage, waiting }) => `${stage} ${waiting}`)).size).toBe(words.length);
    const times = words.map(({ at }) => at);
    expect(times.length).toBeGreaterThan(2);
    for (const [index, at] of times.entries()) {
      expect(at).toBeGreaterThanOrEqual((times[index - 1] ?? began - 30_000) + 60_000);
    }
  });

  it('stops a page request at once when a newer push comes', async () => {
    machine.docker.answer = 'never';
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.until(() => machine.docker.probes > 0, 'the page is asked for');
    machine.docker.answer = { kind: 'answered', status: 200, byProxy: false, body: 'hello' };
    machine.spec({ web: web('2') });
    machine.notify();
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'superseded' });
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'ready' });
  });

  it('reports no more than the control plane keeps, however much a build prints', async () => {
    machine.docker.failBuild = Array.from({ length: 100 }, (_, n) => `${n} ${'😀'.repeat(3_000)}`).join('\n');
    await machine.boot();
    machine.spec({ web: web('1') });
    const result = await machine.resultOf(1);
    expect(v.parse(resultSchema, result)).toEqual(result);
    expect(result.failure?.log.at(-1)).toMatch(/^99 (😀)+…$/u);
    expect(result.failure?.log.length).toBeGreaterThan(3);
    expect(Buffer.byteLength(result.failure?.log.join('\n') ?? '')).toBeLessThanOrEqual(MAX_LOG_BYTES);
  });

  it('removes a secret before it cuts the text that contains the secret', async () => {
    const secret = 'correct-horse-battery-staple';
    machine.docker.failBuild = `${'x'.repeat(MAX_LOG_LINE_BYTES - 10)}${secret}`;
    await machine.boot();
    machine.spec({ web: web('1') }, { secrets: { PASSWORD: secret } });
    const { failure } = await machine.resultOf(1);
    expect(failure?.log).toEqual([`${'x'.repeat(MAX_LOG_LINE_BYTES - 10)}***`]);
  });

  it('reports the services that get an address, and names those that do not', async () => {
    const names = Array.from({ length: 25 }, (_, n) => `s${String(n).padStart(2, '0')}`);
    await machine.boot();
    machine.spec({ web: web('1'), ...Object.fromEntries(names.map((name) => [name, web('2')])) });
    const result = await machine.resultOf(1);
    expect(result.services.map(({ name }) => name)).toEqual(['web', ...names.slice(0, 19)]);
    expect(result.warnings).toEqual([expect.stringMatching(/^Only 20 services .*`s19` and what follows/)]);
  });

  it('never reports an invalid port, so that the control plane always understands it', async () => {
    await machine.boot();
    machine.spec({ web: web('1'), odd: { image: 'odd', ports: [{ target: 70_000, published: '9000' }] } });
    const result = await machine.resultOf(1);
    expect(v.is(resultSchema, result)).toBe(true);
    expect(result.services.map(({ name }) => name)).toEqual(['web']);
  });

  it('runs a generation once, however often it is notified', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.resultOf(1);
    machine.notify();
    machine.notify();
    machine.spec({ web: web('2') });
    machine.notify();
    await machine.resultOf(2);
    expect(machine.docker.calls.filter((call) => call === 'up')).toHaveLength(2);
  });

  it('becomes the agent that its first deployment spec after a start names, before it deploys', async () => {
    await machine.boot();
    machine.spec({ web: web('1') }, { agentSha256: 'b'.repeat(64) });
    await machine.resultOf(1);
    expect(machine.becoming).toEqual(['b'.repeat(64)]);
    const log = machine.lines.join('\n');
    expect(log.indexOf('becoming another agent')).toBeLessThan(log.indexOf('spec taken'));
  });

  it('stays the same agent while it runs, and when the deployment spec names it or none', async () => {
    await machine.boot();
    machine.spec({ web: web('1') }, { agentSha256: runningAgent });
    await machine.resultOf(1);
    machine.spec({ web: web('2') });
    machine.notify();
    await machine.resultOf(2);
    machine.spec({ web: web('3') }, { agentSha256: 'b'.repeat(64) });
    machine.notify();
    await machine.resultOf(3);
    expect(machine.becoming).toEqual([]);
  });

  it('stops a build at once for a newer generation, and does not touch what serves', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.resultOf(1);
    machine.docker.holdBuilds = true;
    machine.spec({ web: web('2') });
    machine.notify();
    await machine.until(
      () => machine.docker.calls.filter((call) => call === 'build').length === 2,
      'second build',
    );
    machine.spec({ web: web('3') });
    const dropped = await machine.resultOf(2);
    expect(dropped).toMatchObject({ outcome: 'superseded', serving: { generation: 1 } });
    machine.docker.holdBuilds = false;
    expect(await machine.resultOf(3)).toMatchObject({ outcome: 'ready', serving: { generation: 3 } });
  });

  it('lets `up` finish before it starts a newer generation', async () => {
    machine.docker.upMs = 300;
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.until(() => machine.docker.calls.includes('up'), 'up');
    machine.spec({ web: web('2') });
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'superseded' });
    expect(machine.docker.containers.get('web')?.healthOutput).toContain('web:1');
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'ready' });
  });

  it('leaves the previous generation serving when a build fails', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.resultOf(1);
    const before = machine.docker.containers.get('web')?.id;
    machine.docker.failBuild =
      ' > [web 1/2] RUN false:\nfailed to solve: process "x" did not complete successfully: exit code: 1';
    machine.spec({ web: web('2') });
    machine.notify();
    const result = await machine.resultOf(2);
    expect(result).toMatchObject({
      outcome: 'failed',
      failure: { code: 'build-failed', service: 'web' },
      serving: { generation: 1 },
    });
    expect(machine.docker.containers.get('web')?.id).toBe(before);
  });

  it('tries a registry that fails in `FROM` three times, as a pull, and a build that fails once', async () => {
    const why =
      'failed to resolve source metadata for docker.io/library/node:24: failed to do request: Head "https://registry-1.docker.io/v2/": dial tcp: i/o timeout';
    machine.docker.failBuild = `failed to solve: node:24: ${why}`;
    await machine.boot();
    machine.spec({ web: web('1') });
    const { failure } = await machine.resultOf(1);
    expect(failure).toMatchObject({ code: 'registry-unreachable' });
    expect(failure?.sentence).toMatch(/`docker\.io\/library\/node:24`.* Eph tried 3 times\.$/);
    const builds = () => machine.docker.calls.filter((call) => call === 'build').length;
    expect(builds()).toBe(3);
    machine.docker.failBuild = 'failed to solve: process "x" did not complete successfully: exit code: 1';
    machine.spec({ web: web('2') });
    machine.notify();
    await machine.resultOf(2);
    expect(builds()).toBe(4);
  });

  it('leaves out a companion whose image is not available, with the services that need it, and says so', async () => {
    machine.docker.unknownImages = ['private/dashboard:1'];
    machine.docker.failBuild = 'failed to solve: process "x" did not complete successfully: exit code: 1';
    machine.docker.failBuildOf = 'worker';
    await machine.boot();
    machine.spec({
      web: { ...web('1'), depends_on: { db: {} } },
      db: { image: 'postgres:15' },
      dashboard: { image: 'private/dashboard:1', ports: [{ target: 3001, published: '3001' }] },
      'dashboard-login': { image: 'oauth2-proxy:7', depends_on: { dashboard: {} } },
      worker: { build: { context: '.', target: 'worker' } },
    });
    const result = await machine.resultOf(1);
    expect(result).toMatchObject({ outcome: 'ready' });
    expect(result.warnings.filter((warning) => warning.includes('left out'))).toEqual([
      expect.stringMatching(
        /^`dashboard` was left out: .*`private\/dashboard:1` does not exist.* So was what needs it: `dashboard-login`\.$/,
      ),
      expect.stringMatching(/^`worker` was left out: The build failed with exit code 1\..*does not need it/),
    ]);
    expect([...machine.docker.containers.keys()].sort()).toEqual(['db', 'web']);
    expect(result.services.map(({ name }) => name)).toEqual(['web']);
  });

  it('fails when an image that the primary needs is not available', async () => {
    machine.docker.unknownImages = ['private/db:1'];
    await machine.boot();
    machine.spec({
      web: { ...web('1'), depends_on: { db: {} } },
      db: { image: 'private/db:1' },
      dashboard: { image: 'dashboard:1' },
    });
    const result = await machine.resultOf(1);
    expect(result).toMatchObject({ outcome: 'failed', failure: { code: 'image-not-found', service: 'db' } });
    expect(machine.docker.containers.size).toBe(0);
  });

  it('does not wait for ever for services that the primary does not need', async () => {
    machine.docker.after = { dashboard: { health: 'starting' }, db: { health: 'starting' } };
    await machine.boot();
    const soon = { path: '/', timeout: 5, interval: 1 };
    const config = { ...defaultPreviewConfig, health_check: soon };
    machine.spec({ web: web('1'), dashboard: { image: 'dashboard' } }, { config });
    const result = await machine.resultOf(1);
    expect(result.outcome).toBe('ready');
    expect(result.warnings).toEqual(['`dashboard` waits for its health check; `/` does not need it.']);
    machine.spec({ web: { ...web('2'), depends_on: { db: {} } }, db: { image: 'postgres' } }, { config });
    machine.notify();
    const needed = await machine.resultOf(2);
    expect(needed.failure).toMatchObject({ code: 'start-timeout' });
    expect(needed.failure?.sentence).toContain('`db` waits for its health check');
  });

  it('calls a failed worker a warning, and a failed dependency a failure', async () => {
    machine.docker.after = { worker: { state: 'exited', exitCode: 2 } };
    await machine.boot();
    machine.spec({ web: web('1'), worker: { image: 'worker' } });
    const result = await machine.resultOf(1);
    expect(result.outcome).toBe('ready');
    expect(result.warnings.join()).toContain('`worker` ended with code 2');
    machine.spec({ web: { ...web('2'), depends_on: { worker: {} } }, worker: { image: 'worker' } });
    machine.notify();
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'failed', failure: { service: 'worker' } });
  });

  it('asks for a new address when the archive has expired, and continues with the next revision', async () => {
    await machine.boot();
    const spec = machine.spec({ web: web('1') });
    if (spec.source.kind !== 'archive') throw new Error('an archive');
    const archive = machine.archives.get(spec.source.url);
    machine.archives.delete(spec.source.url);
    await machine.until(() => machine.progress()?.needs === 'archive', 'needs');
    expect(machine.progress()).toMatchObject({ generation: 1, revision: 1, stage: 'fetching' });
    machine.archives.set('https://codeload.example/fresh', archive ?? Buffer.alloc(0));
    machine.writeSpec({
      ...spec,
      revision: 2,
      source: { ...spec.source, url: 'https://codeload.example/fresh' },
    });
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'ready' });
    expect(machine.progress()?.needs).toBeUndefined();
  });

  it.each(['running', 'switched on again'])('ignores an older deployment spec, %s', async (how) => {
    await machine.boot();
    const old = machine.spec({ web: web('1') }, { tunnelToken: 'of a tunnel that is gone' });
    await machine.resultOf(1);
    machine.spec({ web: web('2') });
    machine.notify();
    const { at } = await machine.resultOf(2);
    const used = machine.tunnelTokens.length;
    if (how === 'switched on again') await machine.halt();
    machine.writeSpec({ ...old, revision: 9, agentSha256: 'f'.repeat(64) });
    if (how === 'switched on again') {
      await machine.boot();
      expect(await machine.resultOf(2, at)).toMatchObject({ serving: { generation: 2 } });
    } else {
      machine.notify();
      await machine.until(
        () => machine.lines.some((line) => line.includes('an older deployment spec')),
        'seen',
      );
    }
    expect(machine.becoming).toEqual([]);
    expect(machine.tunnelTokens.slice(used)).not.toContain('of a tunnel that is gone');
  });

  it('asks for git when the archive is not complete', async () => {
    await machine.boot();
    const spec = machine.spec({ web: web('1') });
    if (spec.source.kind !== 'archive') throw new Error('an archive');
    machine.archives.set(spec.source.url, repositoryArchive({ '.gitmodules': '[submodule "a"]\n' }));
    await machine.until(() => machine.progress()?.needs === 'git', 'needs');
    machine.spec({ web: web('2') });
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'superseded' });
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'ready' });
  });

  it('starts what is on the disk after a reboot, and reports it again', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    const first = await machine.resultOf(1);
    await machine.halt();
    machine.docker.containers.clear();
    await machine.boot();
    const again = await machine.resultOf(1, first.at);
    expect(again).toMatchObject({ outcome: 'ready', services: first.services, serving: { generation: 1 } });
    expect(machine.docker.calls).toEqual(['pull', 'build', 'up', 'up']);
    expect(machine.docker.loaded.at(-1)).toContain('"listen":[":80"]');
  });

  it('deploys a generation that arrived while it was asleep, without starting the old one first', async () => {
    await machine.boot();
    machine.spec({ web: web('1') });
    await machine.resultOf(1);
    await machine.halt();
    machine.docker.containers.clear();
    machine.spec({ web: web('2') });
    await machine.boot();
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'ready' });
    expect(machine.docker.calls.filter((call) => call === 'up')).toHaveLength(2);
  });

  it('begins a generation again that a crash interrupted, but not for ever', async () => {
    machine.docker.holdBuilds = true;
    await machine.boot();
    machine.spec({ web: web('1') });
    for (let boots = 1; boots <= 4; boots++) {
      await machine.until(
        () => machine.docker.calls.filter((call) => call === 'build').length === Math.min(boots, 3),
        `build ${boots}`,
      );
      if (boots > 3) break;
      const state = await machine.state();
      expect(state).toMatchObject({ generation: 1, attempts: boots, finished: false });
      // A crash leaves the state as it is; `halt` would finish it.
      await machine.halt();
      await writeFile(join(machine.root, 'state.json'), JSON.stringify(state));
      await machine.boot();
    }
    const result = await machine.until(
      () => machine.result()?.outcome === 'failed' && machine.result(),
      'it gives up',
    );
    expect(result?.failure?.code).toBe('interrupted');
  });

  it('survives a mailbox that cannot be read or written for a while', async () => {
    machine.faults.reads = 3;
    machine.faults.writes = 3;
    await machine.boot();
    machine.spec({ web: web('1') });
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'ready' });
  });

  it('ignores a deployment spec that it does not understand, without repeating its contents', async () => {
    machine.put('next.json', JSON.stringify({ v: 9, tunnelToken: 'future-secret' }));
    await machine.boot();
    await machine.until(
      () => machine.lines.some((line) => line.includes('cannot be used')),
      'a line about it',
    );
    expect(machine.lines.join()).not.toContain('future-secret');
    machine.spec({ web: web('1') });
    expect(await machine.resultOf(1)).toMatchObject({ outcome: 'ready' });
  });

  it('never writes a secret into its log or its reports', async () => {
    machine.docker.failBuild = 'failed: tunnel-token archive-token-1 hunter2-hunter2';
    await machine.boot();
    machine.spec({ web: web('1') }, { secrets: { DB_PASSWORD: 'hunter2-hunter2' } });
    const result = await machine.resultOf(1);
    const everything = machine.lines.join() + machine.log() + JSON.stringify(result);
    expect(everything).toContain('***');
    expect(everything).not.toMatch(/tunnel-token|archive-token-1|hunter2/);
  });

  it('says of a machine without its packet rule that the host network is refused there, and refuses it', async () => {
    await machine.boot({ roleIsGuarded: false });
    machine.spec({ web: web('1') });
    expect((await machine.resultOf(1)).warnings.join()).toContain('The host network is refused');
    machine.spec({ web: web('1'), agent: { image: 'agent', network_mode: 'host' } });
    machine.notify();
    expect((await machine.resultOf(2)).failure?.code).toBe('role-not-guarded');
  });

  it('starts no container of the host network when the rule is missing at a later boot', async () => {
    await machine.boot();
    machine.spec({ web: web('1'), agent: { image: 'agent', network_mode: 'host' } });
    expect((await machine.resultOf(1)).outcome).toBe('ready');
    await machine.halt();
    await machine.boot({ roleIsGuarded: false });
    const failed = () => machine.result()?.outcome === 'failed' && machine.result();
    const result = await machine.until(failed, 'a failed start');
    expect(result.failure?.code).toBe('role-not-guarded');
    expect(machine.docker.calls.filter((call) => call === 'up')).toHaveLength(1);
  });

  it('does not start a service whose mount a container has turned into one of the machine', async () => {
    await machine.boot();
    const volumes = [{ type: 'bind', source: join(machine.root, 'source/data/files'), target: '/x' }];
    machine.spec({ web: { ...web('1'), volumes } });
    expect((await machine.resultOf(1)).outcome).toBe('ready');
    await symlink('../..', join(machine.root, 'app/data'));
    machine.spec({ web: { ...web('2'), volumes } });
    machine.notify();
    const { failure } = await machine.resultOf(2);
    expect(failure?.sentence).toContain('`data/files` is mounted, but on the preview');
    expect(machine.docker.calls.filter((call) => call === 'up')).toHaveLength(1);
  });

  it('names secrets that are too short to be removed', async () => {
    await machine.boot();
    machine.spec({ web: web('1') }, { secrets: { PIN: '1234', KEY: 'long-enough' } });
    const { warnings } = await machine.resultOf(1);
    expect(warnings.filter((warning) => warning.includes('`PIN`'))).toHaveLength(1);
    expect(warnings.join()).not.toMatch(/1234|KEY/);
  });

  it('reports use, and switches the machine off when nobody has used it or sent it anything', async () => {
    await machine.boot();
    machine.spec({ web: web('1') }, { idleStopSeconds: 60 });
    await machine.resultOf(1);
    const at = machine.now();
    const entry = {
      logger: 'http.log.access.eph',
      ts: at / 1000,
      duration: 0.01,
      status: 200,
      user_id: '',
    };
    await appendFile(join(machine.root, 'proxy/log/access.log'), `${JSON.stringify(entry)}\n`);
    await machine.until(() => machine.lastUse()?.lastUseAt === Math.round(at), 'last use');
    expect(machine.poweredOff).toEqual([]);
    await machine.until(() => machine.poweredOff.length > 0, 'power off');
    expect(machine.now() - at).toBeGreaterThanOrEqual(60_000);
    expect(machine.poweredOff).toHaveLength(1);
  });
});
