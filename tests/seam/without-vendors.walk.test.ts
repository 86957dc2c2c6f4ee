import { execFile } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { afterEach, describe, expect, it } from 'vitest';
import { readWithImports, repository } from './read-seam.ts';

/** The interfaces are complete when the code that uses them compiles and works without any vendor's code. */
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** The vendors' folders, the code that wires them, and the code that only their messages come in by. */
const vendors =
  /^lambdas\/(providers\/[^/]+\/|adapters\/|handlers\/|webhook\/|wiring\.ts$|receive-delivery\.ts$)/;

/** The only part of the stand-ins is the size of an item: rows are in a table wherever environments run. */
const inTheCopy = /^(lambdas|tests)\/|^local\/aws\/dynamodb-item-size\.ts$/;

const stories = ['tests/seam/neutral-stories.test.ts', 'tests/seam/neutral-crash.walk.test.ts'];

/** `lambdas/` as it would be with all vendors deleted, and these files of the tests with everything that they import. */
function copyWithoutVendors(tests: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'eph-without-vendors-'));
  folders.push(folder);
  const lambdas = globSync('lambdas/**/*.ts', { cwd: repository }).filter((path) => !vendors.test(path));
  for (const [path, text] of readWithImports([...lambdas, ...tests])) {
    if (inTheCopy.test(path) && !vendors.test(path)) write(folder, path, text);
  }
  cpSync(join(repository, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const settings = v.parse(v.looseObject({}), readJson(join(repository, 'tsconfig.json')));
  const include = ['lambdas', 'tests'];
  write(folder, 'tsconfig.json', JSON.stringify({ ...settings, include, exclude: [] }));
  const test = { include: ['tests/**/*.test.ts'], isolate: false, testTimeout: 90_000 };
  write(folder, 'vitest.config.mjs', `export default ${JSON.stringify({ cacheDir: '.vite', test })};\n`);
  return folder;
}

function write(folder: string, path: string, text: string): void {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}

/** Settings of TypeScript may have comments on lines of their own. */
function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8').replace(/^\s*\/\/.*$/gm, ''));
}

/** The output of the program, whether it succeeds or fails. */
async function outputOf(folder: string, program: string, ...parameters: string[]): Promise<string> {
  const path = join(repository, 'node_modules', program);
  // The environment of this test run is left out: the other run would take itself for one of its workers.
  const options = { cwd: folder, env: { PATH: process.env['PATH'] ?? '' }, maxBuffer: 10_000_000 };
  try {
    return (await promisify(execFile)(process.execPath, [path, ...parameters], options)).stdout;
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
  }
}

/** The errors that the compiler finds. */
function faultsIn(folder: string): Promise<string> {
  return outputOf(folder, 'typescript/bin/tsc', '--noEmit', '-p', folder);
}

const reportSchema = v.object({
  success: v.boolean(),
  numPassedTests: v.number(),
  testResults: v.array(
    v.object({
      name: v.string(),
      message: v.string(),
      assertionResults: v.array(
        v.object({ fullName: v.string(), status: v.string(), failureMessages: v.array(v.string()) }),
      ),
    }),
  ),
});

/** The results of the stories there. */
async function tellIn(folder: string): Promise<{ passed: number; success: boolean; wrong: string[] }> {
  const report = join(folder, 'report.json');
  const output = `--outputFile=${report}`;
  await outputOf(folder, 'vitest/vitest.mjs', 'run', '--root', folder, '--reporter=json', output);
  const { success, numPassedTests: passed, testResults } = v.parse(reportSchema, readJson(report));
  const wrong = testResults.flatMap(({ message, assertionResults }) => [
    ...(message === '' ? [] : [message]),
    ...assertionResults.flatMap(({ fullName, status, failureMessages }) =>
      status === 'passed' ? [] : [`${fullName}: ${failureMessages.join('\n')}`],
    ),
  ]);
  return { passed, success, wrong };
}

const usesVendor =
  "import { ec2Compute } from '../../lambdas/providers/ec2/ec2-compute.ts';\nvoid ec2Compute;\n";

/** One of the tests runs all stories. */
const TIMEOUT = 300_000;

describe('with the folders of EC2, Cloudflare and GitHub deleted', { timeout: TIMEOUT }, () => {
  it('core, reconciler, sweep and the neutral stories compile, and the stories pass', async () => {
    const folder = copyWithoutVendors(stories);
    expect(await faultsIn(folder)).toBe('');
    const { passed, success, wrong } = await tellIn(folder);
    expect(wrong).toEqual([]);
    expect(success).toBe(true);
    // Otherwise few stories ran.
    expect(passed).toBeGreaterThan(50);
  });

  it('code that uses what only a vendor has does not compile', async () => {
    const folder = copyWithoutVendors(stories);
    write(folder, 'lambdas/reconcile/uses-a-vendor.ts', usesVendor);
    expect(await faultsIn(folder)).toContain('providers/ec2/ec2-compute.ts');
  });

  it('a story that uses it, also through a fake, fails', async () => {
    const folder = copyWithoutVendors(['tests/fakes/fake-tunnels.ts']);
    expect(await faultsIn(folder)).toContain('providers/cloudflare/tunnels.ts');
    write(folder, 'tests/seam/uses-a-vendor.test.ts', usesVendor);
    const { success, wrong } = await tellIn(folder);
    expect(success).toBe(false);
    expect(wrong.join('\n')).toContain('providers/ec2/ec2-compute.ts');
  });
});
