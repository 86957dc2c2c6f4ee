import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { openDeployment } from '../../../infra/deploy/open-deployment.ts';
import { placeholderSettings } from '../../../infra/settings/settings.ts';
import { UsageError } from '../../../infra/terminal/usage-error.ts';
import { type RunningGithub, startGithub } from '../../../local/github/start-github.ts';
import { listSecrets, removeSecret, setSecret } from '../../../scripts/secret/set-secret.ts';
import { type MemoryParameters, memoryParameters } from '../../fakes/memory-parameters.ts';
import { type ScriptedTerminal, scriptedTerminal } from '../../fakes/scripted-terminal.ts';

let folder: string;
let github: RunningGithub;
let repository: { id: number; owner: string; name: string };
let parameters: MemoryParameters;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-secret-'));
  const wireLog = { record: () => undefined, close: async () => undefined };
  github = await startGithub({ dataDir: folder, strict: true, wireLog });
  repository = await github.createRepository({ name: 'shop', private: true, files: { 'a.txt': 'a' } });
});
afterAll(async () => {
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  parameters = memoryParameters();
  parameters.values.set('/eph/local/github-app-key', github.app.privateKey);
});

const nameOf = () => `${repository.owner}/${repository.name}`;
const pathOf = (name: string) => `/eph/local/repositories/${repository.id}/${name}`;

/** The repository and the name, as they are unless a test says otherwise. */
interface HostRequirements {
  repository?: string;
  name?: string;
}

async function open(terminal: ScriptedTerminal): Promise<Deployment> {
  const deployment = await openDeployment(terminal, {
    ...placeholderSettings,
    EPH_ENV_FILE: '/dev/null',
    AWS_REGION: 'eu-central-1',
    ACCESS_ALLOW: '@acme.dev',
    GITHUB_OWNER: 'acme',
    GITHUB_APP_SLUG: github.app.slug,
    GITHUB_APP_ID: String(github.app.id),
    GITHUB_API_URL: github.apiUrl,
    GITHUB_URL: github.url,
  });
  return { ...deployment, parameters };
}

/** @returns the output */
async function set(
  value: string,
  { repository: repo = nameOf(), name = 'API_KEY' }: HostRequirements = {},
  terminal = scriptedTerminal({ SECRET_VALUE: value }),
): Promise<string> {
  await setSecret(await open(terminal), repo, name);
  return terminal.lines.join('\n');
}

async function list(repo = nameOf()): Promise<string> {
  const terminal = scriptedTerminal();
  await listSecrets(await open(terminal), repo);
  return terminal.lines.join('\n');
}

async function remove(name = 'API_KEY'): Promise<string> {
  const terminal = scriptedTerminal();
  await removeSecret(await open(terminal), nameOf(), name);
  return terminal.lines.join('\n');
}

describe('make secret', () => {
  it('keeps the value encrypted under the repository’s number, and shows it to nobody', async () => {
    const said = await set('hunter2-hunter2\n');
    expect(parameters.values.get(pathOf('API_KEY'))).toBe('hunter2-hunter2');
    expect(parameters.encrypted).toContain(pathOf('API_KEY'));
    expect(said).toContain('API_KEY is kept for');
    expect(said).toContain('It applies at the next deploy');
    expect(said).not.toContain('hunter2');
  });

  it('keeps a value of several lines as it is, without the last line end', async () => {
    await set('-----BEGIN\nabc\n-----END\n');
    expect(parameters.values.get(pathOf('API_KEY'))).toBe('-----BEGIN\nabc\n-----END');
  });

  it('lists names, never values, of this repository alone', async () => {
    await set('hunter2-hunter2');
    await set('other-value', { name: 'ANOTHER' });
    parameters.values.set(`/eph/local/repositories/${repository.id}1/THEIRS`, 'x');
    const said = await list();
    expect(said.match(/^\w+(?= {2})/gm)).toEqual(['ANOTHER', 'API_KEY']);
    expect(said).not.toMatch(/hunter2|other-value|THEIRS/);
    expect(await list(nameOf().toUpperCase())).toContain('API_KEY');
  });

  it('removes one, and says so if it does not exist', async () => {
    await set('hunter2-hunter2');
    expect(await remove()).toContain('is removed');
    expect(parameters.values.has(pathOf('API_KEY'))).toBe(false);
    expect(await remove()).toContain('skipped:');
  });

  it('warns of a value that is too short to be removed from logs', async () => {
    expect(await set('1234')).toContain('logs of builds show it');
  });

  it.each([
    ['a repository that the App does not see', { repository: 'acme/none' }, /knows no repository acme\/none/],
    ['a name that no shell takes', { name: 'API-KEY' }, /"API-KEY" cannot be the name/],
    ['a name of Eph’s own', { name: 'EPH_URL' }, /"EPH_URL" cannot be the name/],
  ])('refuses %s with a sentence, before anything is asked', async (_what, requirements, message) => {
    const terminal = scriptedTerminal();
    await expect(set('', requirements, terminal)).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(message),
      fix: expect.any(String),
    });
    expect(terminal.asked).toEqual([]);
  });

  it('refuses to remove a name that no secret can have', async () => {
    await expect(remove('API-KEY')).rejects.toBeInstanceOf(UsageError);
  });

  it('asks again for a value that Parameter Store would not keep', async () => {
    const terminal = scriptedTerminal({ SECRET_VALUE: ['', 'é'.repeat(2049), 'a {{b}} c', 'fine-value'] });
    const said = await set('', {}, terminal);
    expect(said).toContain('The value is empty');
    expect(said).toContain('The value has 4098 bytes');
    expect(said).toContain('no value with {{ and }}');
    expect(parameters.values.get(pathOf('API_KEY'))).toBe('fine-value');
  });

  it('refuses a fifty-first secret, and still replaces one of the fifty', async () => {
    for (let count = 0; count < 50; count += 1) parameters.values.set(pathOf(`KEY_${count}`), 'x');
    await expect(set('hunter2-hunter2')).rejects.toMatchObject({ name: 'OperatorError' });
    await set('hunter2-hunter2', { name: 'KEY_7' });
    expect(parameters.values.get(pathOf('KEY_7'))).toBe('hunter2-hunter2');
  });
});
