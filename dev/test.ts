import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPlatform, type RunningPlatform } from '../local/find-platform.ts';

/**
 * `node dev/test.ts check scripts walk docker e2e`: the parts in this order, and one closing line over all of them.
 *   check   Biome, types, and the tests that need neither Docker nor root
 *   scripts shellcheck and packer fmt, fetched where they are missing
 *   walk    the operator's commands on whole accounts of the stand-ins, and what needs processes of its own; no Docker
 *   attack  what a forged message or a hostile host could do; part of `check` as well
 *   docker  tests with a real engine
 *   e2e     one pull request end to end, against what the TEST_* variables name, else the platform of a
 *           running `make local`, else one that is started for it; then its wire log
 */
const root = join(import.meta.dirname, '..');
const local = join(root, '.local');
const platformFile = join(local, 'platform.json');
const reports = join(local, 'reports');
const wireLog = join(reports, 'wire.jsonl');
const count = { passed: 0, failed: 0 };

process.chdir(root);
await mkdir(reports, { recursive: true });
for (const part of process.argv.slice(2)) {
  if (part === 'check') await check();
  else if (part === 'scripts') await tool('shell scripts and image', ['./dev/lint-scripts.sh']);
  else if (part === 'walk') await vitest(['walk']);
  else if (part === 'attack') await vitest(['node'], {}, ['tests/attack/']);
  else if (part === 'docker') await vitest(['docker']);
  else if (part === 'e2e') await endToEnd();
  else throw new Error(`There is no part "${part}"; there are check, scripts, walk, attack, docker, e2e.`);
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed > 0 ? 1 : 0);

async function check(): Promise<void> {
  const tools = [
    tool('biome', ['npx', '--no-install', 'biome', 'ci', '--colors=off', '--error-on-warnings', '.']),
    types('types', 'tsconfig.json'),
    types('types of the Worker', 'worker/tsconfig.json'),
  ];
  // CDK and wrangler leave files in the temporary folder, and an interrupted run leaves more.
  const temporary = await mkdtemp(join(tmpdir(), 'eph-check-'));
  try {
    await Promise.all([...tools, vitest(['node', 'worker'], { TMPDIR: temporary })]);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Several threads of the compiler would work out the same types once each, and the other core runs the tests. The
 * process ends before memory is short, so it need not collect garbage so often.
 */
function types(name: string, project: string): Promise<void> {
  return tool(name, ['npx', '--no-install', 'tsc', '--singleThreaded', '-p', project], { GOGC: '400' });
}

/** A linter or compiler counts as one test; its output is shown when it fails. */
async function tool(
  name: string,
  command: readonly string[],
  environment: Record<string, string> = {},
): Promise<void> {
  const startedAt = performance.now();
  const { code, output } = await run(command, environment, true);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (code === 0) count.passed += 1;
  else {
    count.failed += 1;
    console.log(output);
  }
}

async function vitest(
  projects: readonly string[],
  environment: Record<string, string> = {},
  files: readonly string[] = [],
): Promise<void> {
  const file = join(reports, `${projects.join('-')}.json`);
  await rm(file, { force: true });
  const { code } = await run(
    [
      'npx',
      '--no-install',
      'vitest',
      'run',
      '--config',
      'tests/vitest.config.ts',
      '--root',
      '.',
      ...files,
      ...projects.flatMap((project) => ['--project', project]),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ],
    environment,
  );
  if (!existsSync(file)) {
    count.failed += 1;
    return;
  }
  const { numPassedTests, numFailedTests, success } = JSON.parse(await readFile(file, 'utf8'));
  count.passed += numPassedTests;
  count.failed += numFailedTests;
  // A file that cannot be loaded has no tests that could fail.
  if ((!success || code !== 0) && numFailedTests === 0) count.failed += 1;
}

async function endToEnd(): Promise<void> {
  if (process.env['TEST_GITHUB_REPO']) return vitest(['e2e']);
  const found = await findPlatform(local);
  const started = found ? undefined : await startPlatform();
  try {
    const platform = found ?? (await findPlatform(local));
    if (!platform) throw new Error('The local platform does not answer.');
    await vitest(['e2e'], environmentOf(platform));
    if (platform.wireLog) await vitest(['wire'], { WIRE_LOG: platform.wireLog, PLATFORM_FILE: platformFile });
  } finally {
    await started?.stop();
  }
}

function environmentOf(platform: RunningPlatform): Record<string, string> {
  return {
    TEST_GITHUB_REPO: platform.repository,
    TEST_GITHUB_TOKEN: platform.tokens.writer,
    TEST_GITHUB_API_URL: platform.githubApi,
    CF_SERVICE_TOKEN_ID: platform.access.serviceToken.id,
    CF_SERVICE_TOKEN_SECRET: platform.access.serviceToken.secret,
  };
}

async function startPlatform(): Promise<{ stop(): Promise<void> }> {
  await rm(platformFile, { force: true });
  await rm(wireLog, { force: true });
  const child = spawn(process.execPath, ['dev/local.ts'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TERMINATE_AFTER_SECONDS: '0', WIRE_LOG: wireLog },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await Promise.race([until(() => existsSync(platformFile), child), ended]);
  if (!existsSync(platformFile)) throw new Error('The local platform did not start; see above.');
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function until(condition: () => boolean, child: ChildProcess): Promise<void> {
  while (!condition() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 200));
}

function run(
  [program = '', ...args]: readonly string[],
  environment: Record<string, string>,
  quiet = false,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      env: { ...process.env, ...environment },
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code: code ?? 1, output }));
  });
}
