import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../local/eventually.ts';
import { findPlatform } from '../../local/find-platform.ts';
import { fetchPage } from '../../scripts/smoke/fetch-page.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const COMPOSE = `
services:
  web:
    image: busybox:1
    command: httpd -f -p 80 -h /srv
    ports: ["8080:80"]
    volumes: ["./web:/srv:ro"]
`;
/** A platform starts, an image is made, a machine boots, on a machine that may be busy. */
const SECONDS = 280;

let temp: string;
let app: string;
let child: ChildProcess | undefined;
let printed = '';

async function commit(page: string): Promise<void> {
  await writeFile(join(app, 'web/index.html'), page);
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], { cwd: app });
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', page);
}

async function shows(page: string): Promise<void> {
  await eventually(`a preview with "${page}"`, SECONDS, async () => {
    const url = /the application +(http\S+)/.exec(printed)?.[1];
    const platform = await findPlatform(join(root, '.local'));
    if (!url || !platform) return { seen: printed.slice(-500) };
    const { id, secret } = platform.access.serviceToken;
    const headers = { 'CF-Access-Client-Id': id, 'CF-Access-Client-Secret': secret };
    const { status, body } = await fetchPage(url, headers);
    return body.includes(page) ? { done: undefined } : { seen: `${status} ${body.slice(0, 200)}` };
  });
}

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'eph-try-'));
  app = join(temp, 'app');
  await mkdir(join(app, 'web'), { recursive: true });
  await writeFile(join(app, 'compose.yaml'), COMPOSE);
});
afterAll(async () => {
  child?.kill('SIGINT');
  await rm(temp, { recursive: true, force: true });
});

test('make try shows the last commit of a folder, then each new one, and removes everything at Ctrl-C', async () => {
  await commit('version one');
  await writeFile(join(app, 'notes.txt'), 'not committed');
  child = spawn(process.execPath, ['dev/try.ts'], { cwd: root, env: { ...process.env, DIR: app } });
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ended = new Promise<number | null>((resolve) => child?.once('exit', resolve));
  await shows('version one');
  expect(printed).toContain('1 file has changes that are not committed: they are not in it.');
  expect(printed).toMatch(/Access asks who you are: \S+@\S+, then the code \d+/);
  await commit('version two');
  await shows('version two');
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(await findPlatform(join(root, '.local'))).toBeUndefined();
}, 600_000);
