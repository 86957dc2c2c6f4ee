import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFakeMachine, type FakeMachine } from './fake-machine.ts';

const web = { image: 'web:1', ports: [{ target: 80, published: '80' }] };
const api = (target: string) => ({ build: { target }, ports: [{ target: 3000, published: '3000' }] });
/** Only what the primary needs decides whether a push came up. */
const both = (target: string) => ({ web: { ...web, depends_on: { api: {} } }, api: api(target) });
const good = both('good');
const bad = both('bad');

describe('a push that does not come up', () => {
  let machine: FakeMachine;
  beforeEach(async () => {
    machine = await createFakeMachine();
    machine.docker.after = { 'sha256:bad': { state: 'exited', exitCode: 1 } };
    await machine.boot();
  });
  afterEach(() => machine.close());

  const running = () =>
    Object.fromEntries(
      [...machine.docker.containers.values()].map((found) => [
        found.service,
        `${found.imageId} ${found.state}`,
      ]),
    );
  const asBefore = { web: 'sha256:web:1 running', api: 'sha256:good running' };
  const file = (name: string) => readFile(join(machine.root, 'app', name), 'utf8');
  const push = (services: Record<string, object>, files?: Record<string, string>) => {
    const { generation } = machine.spec(services, {}, files);
    machine.notify();
    return machine.resultOf(generation);
  };

  it('leaves the previous version serving, with its images and its files, and both facts are reported', async () => {
    const first = await push(good, { 'page.html': 'one', 'old.txt': 'old' });
    const result = await push(bad, { 'page.html': 'two', 'new.txt': 'new' });
    expect(result).toMatchObject({
      outcome: 'failed',
      failure: { code: 'container-exited', service: 'api' },
      serving: { generation: 1 },
    });
    expect(result.services).toEqual(first.services);
    expect(running()).toEqual(asBefore);
    expect([await file('page.html'), await file('old.txt')]).toEqual(['one', 'old']);
    await expect(file('new.txt')).rejects.toThrow('ENOENT');
    expect(machine.docker.images.get('eph-api')).toBe('sha256:good');
    await machine.until(() => !kept().length, 'no image is kept any more');
  });
  const kept = () => [...machine.docker.images.keys()].filter((name) => name.startsWith('eph-kept:'));

  it('does not restart the services that it has not changed', async () => {
    await push(good);
    const before = machine.docker.containers.get('web')?.id;
    await push(bad);
    expect(machine.docker.containers.get('web')?.id).toBe(before);
  });

  it('lets the previous version serve through its own routes, also where nothing could be started at all', async () => {
    await push({ web });
    machine.docker.failUp = (services) =>
      services['web']?.image === 'web:2' ? 'network shared declared as external, but could not be found' : '';
    const failed = await push({ web: { image: 'web:2', ports: [{ target: 8080, published: '80' }] } });
    expect(failed).toMatchObject({ failure: { code: 'network-missing' }, serving: { generation: 1 } });
    expect(machine.docker.loaded.at(-1)).toContain('"dial":"web:80"');
    await machine.halt();
    await machine.boot();
    expect(await machine.resultOf(1, failed.at)).toMatchObject({
      outcome: 'ready',
      serving: { generation: 1 },
    });
  });

  it('reports that the previous version cannot be started again, and tries it again after the next push', async () => {
    await push(good);
    machine.docker.after['sha256:good'] = { state: 'exited', exitCode: 3 };
    const result = await push(bad);
    expect(result).toMatchObject({ outcome: 'failed', lost: '1'.padStart(40, '0') });
    expect(result.serving).toBeUndefined();
    expect(result.failure?.sentence).toMatch(
      /^`api` ended with code 1.* `0000000`, which served before, could not be started again: `api` ended with code 3/,
    );
    delete machine.docker.after['sha256:good'];
    expect(await push(both('bad'))).toMatchObject({
      outcome: 'failed',
      serving: { generation: 1 },
    });
    expect(running()).toEqual(asBefore);
  });

  it('does not claim that a version serves where none was up before', async () => {
    const result = await push(bad);
    expect(result).toMatchObject({
      outcome: 'failed',
      failure: { log: [expect.stringMatching(/^last line of api/)] },
    });
    expect(result).not.toHaveProperty('serving');
    expect(result).not.toHaveProperty('lost');
  });

  it('is never the version of a rollback if it was superseded before it was seen up', async () => {
    await push(good);
    machine.docker.answer = { kind: 'silent', problem: 'ECONNREFUSED' };
    machine.spec(both('slow'));
    machine.notify();
    await machine.until(() => running()['api'] === 'sha256:slow running', 'the second is started');
    machine.docker.failBuild = 'failed to solve: process "x" did not complete successfully: exit code: 1';
    machine.spec(both('never'));
    machine.notify();
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'superseded' });
    machine.docker.answer = { kind: 'answered', status: 200, byProxy: false, body: 'hello' };
    expect(await machine.resultOf(3)).toMatchObject({
      failure: { code: 'build-failed' },
      serving: { generation: 1 },
    });
    expect(running()).toEqual(asBefore);
  });

  it('starts the version that is reported as serving, also while the machine was off', async () => {
    await push(good);
    await machine.halt();
    machine.docker.containers.clear();
    machine.docker.failBuild = 'failed to solve: process "x" did not complete successfully: exit code: 1';
    machine.spec(both('never'));
    await machine.boot();
    expect(await machine.resultOf(2)).toMatchObject({ outcome: 'failed', serving: { generation: 1 } });
    expect(running()).toEqual(asBefore);
  });
});

const AT_ONCE = 12;

describe('an agent that is killed while a push that does not come up is started', () => {
  it('reports the truth in the end, whenever it was killed', async () => {
    const story = async (calls: number): Promise<boolean> => {
      const machine = await createFakeMachine();
      try {
        machine.docker.after = { 'sha256:bad': { state: 'exited', exitCode: 1 } };
        await machine.boot();
        machine.spec(good, {}, { 'page.html': 'one' });
        await machine.resultOf(1);
        await machine.until(
          () => existsSync(join(machine.root, 'generations/1/manifest.json')),
          'its files are kept',
        );
        machine.killAt(calls);
        machine.spec(bad, {}, { 'page.html': 'two' });
        machine.notify();
        await machine.until(() => machine.killed() || machine.result()?.generation === 2, 'killed, or done');
        const wasKilled = machine.killed();
        machine.killAt(0);
        const told = machine.result()?.generation === 2 ? machine.result()?.at : 0;
        await machine.boot();
        if (!told) await machine.resultOf(2);
        const at = `killed at call ${calls}`;
        expect(machine.result(), at).toMatchObject(
          told ? {} : { outcome: 'failed', failure: { service: 'api' }, serving: { generation: 1 } },
        );
        await machine.until(() => machine.docker.containers.get('api')?.imageId === 'sha256:good', at);
        expect(await readFile(join(machine.root, 'app/page.html'), 'utf8'), at).toBe('one');
        return wasKilled;
      } finally {
        await machine.close();
      }
    };
    for (let calls = 1; ; calls += AT_ONCE) {
      const killed = await Promise.all(Array.from({ length: AT_ONCE }, (_, more) => story(calls + more)));
      if (killed.includes(false)) break;
      expect(calls).toBeLessThan(200);
    }
  }, 120_000);
});
