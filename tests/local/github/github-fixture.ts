import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import {
  type Person,
  type RunningGithub,
  type StartGithubOptions,
  startGithub,
} from '../../../local/github/start-github.ts';

const run = promisify(execFile);

export interface Received {
  event: string;
  action: string;
  headers: IncomingHttpHeaders;
  raw: string;
  payload: Record<string, never>;
}

/** A GitHub, a webhook receiver, and people with Octokit and git. Clock and receiver's answer can be set. */
export async function startFixture(options: Partial<StartGithubOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'eph-github-'));
  const clock = { offsetMs: 0 };
  const receiver = await startReceiver();
  const github: RunningGithub = await startGithub({
    dataDir: join(folder, 'data'),
    now: () => Date.now() + clock.offsetMs,
    hookUrl: receiver.url,
    strict: true,
    ...options,
  });
  const baseUrl = github.apiUrl;
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  let clones = 0;
  return {
    github,
    clock,
    receiver,
    folder,
    as: (person: Person) => new Octokit({ auth: github.tokens[person], baseUrl, log }),
    withToken: (auth: string) => new Octokit({ auth, baseUrl, log }),
    app: new App({
      appId: github.app.id,
      privateKey: github.app.privateKey,
      webhooks: { secret: github.app.webhookSecret },
      Octokit: Octokit.defaults({ baseUrl, log }),
    }),
    async git(directory: string, ...args: string[]): Promise<string> {
      const { stdout } = await run('git', args, { cwd: directory, env: gitEnv() });
      return stdout.trim();
    },
    async clone(person: Person, repository: string, ...args: string[]): Promise<string> {
      clones += 1;
      const directory = join(folder, `clone-${clones}`);
      const url = github.url.replace('://', `://${person}:${github.tokens[person]}@`);
      await run('git', ['clone', '--quiet', ...args, `${url}/${repository}.git`, directory], {
        env: gitEnv(),
      });
      return directory;
    },
    async write(directory: string, path: string, text: string): Promise<void> {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    },
    async close(): Promise<void> {
      await github.close();
      await receiver.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type Fixture = Awaited<ReturnType<typeof startFixture>>;

/** Subscribes the installation to an event that Eph's App has not subscribed to. */
export function subscribe({ github }: Fixture, event: string): void {
  const installation = github.github.installations.get(github.installationId);
  installation.events = [...installation.events, event];
}

/** A branch with one commit, pushed by `person`. */
export async function pushBranch(
  fixture: Fixture,
  person: Person,
  repository: string,
  branch: string,
  text: string,
): Promise<{ directory: string; sha: string }> {
  const directory = await fixture.clone(person, repository);
  await fixture.git(directory, 'switch', '--quiet', '-c', branch);
  return { directory, sha: await commitAndPush(fixture, directory, branch, text) };
}

export async function commitAndPush(
  fixture: Fixture,
  directory: string,
  branch: string,
  text: string,
): Promise<string> {
  await fixture.write(directory, 'index.html', text);
  await fixture.git(directory, 'add', '.');
  await fixture.git(directory, 'commit', '--quiet', '-m', `Say ${text}`);
  await fixture.git(directory, 'push', '--quiet', 'origin', branch);
  return fixture.git(directory, 'rev-parse', 'HEAD');
}

/** The status and message of the error that the call must end with. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ status: number; message: string; headers: Record<string, string> }> {
  try {
    await call;
  } catch (error) {
    const { status, message, response } = error as {
      status: number;
      message: string;
      response?: { headers: Record<string, string> };
    };
    return { status, message, headers: response?.headers ?? {} };
  }
  throw new Error('the call was expected to be refused');
}

function gitEnv(): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Writer',
    GIT_AUTHOR_EMAIL: 'writer@example.com',
    GIT_COMMITTER_NAME: 'Writer',
    GIT_COMMITTER_EMAIL: 'writer@example.com',
  };
}

async function startReceiver() {
  const received: Received[] = [];
  const answer = { status: 202 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks).toString('utf8');
      const payload = JSON.parse(raw);
      received.push({
        event: String(request.headers['x-github-event']),
        action: String(payload.action),
        headers: request.headers,
        raw,
        payload,
      });
      response.writeHead(answer.status).end('thanks');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhooks/github`,
    answer,
    received,
    of: (event: string) => received.filter((one) => one.event === event),
    actions: (event: string) => received.filter((one) => one.event === event).map((one) => one.action),
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}
