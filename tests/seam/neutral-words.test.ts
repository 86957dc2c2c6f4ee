import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { importsOf, readSeam, readWithImports, repository } from './read-seam.ts';

/** The code that decides, acts and sweeps knows neither the code nor the names of vendors. */
const neutral = /^lambdas\/(core|reconcile|sweep)\//;
const vendorFolder = /^lambdas\/(providers\/[^/]+|adapters)\//;
/** The size of an item of a table is allowed: rows are in a table wherever environments run. */
const standIns = /^(local\/(?!aws\/dynamodb-item-size\.ts$)|worker\/|scripts\/)/;

/** Any part of a name counts: `instanceId` as much as `Ec2Host`. */
const vendors =
  /ec2|\bs3\b|\bssm\b|\bsqs\b|dynamo|aws|amazon|lambda\b|runinstances|instanceid|graviton|\b[a-z]\d[a-z]{0,2}\.(micro|small|medium|\d*x?large)\b|github|octokit|installation|cloudflare|tunnel/i;

/** A line may name a vendor only in these places; each reason says why the name could not be left out. */
const allowed: { files: RegExp; line: RegExp; reason: string }[] = [
  {
    files: /./,
    line: /^\s*(\/\*\*|\*|\/\/)/,
    reason: 'a comment says where a limit comes from, or what went wrong once, and links it',
  },
  {
    files: /core\/job\.ts$/,
    line: /installation/i,
    reason: 'the wire form, which the version before reads too: job.ts alone turns it into neutral words',
  },
];

const files = [...readSeam()];

function vendorsIn(path: string, text: string): string[] {
  const lines = text.split('\n').map((line, index) => ({ line, at: `${path}:${index + 1} ${line.trim()}` }));
  const isAllowed = (line: string) => allowed.some((one) => one.files.test(path) && one.line.test(line));
  return lines.filter(({ line }) => vendors.test(line) && !isAllowed(line)).map(({ at }) => at);
}

describe('core, reconcile and sweep', () => {
  it('import nothing of a provider’s folder or of an adapter, also not through other files', () => {
    expect(files.map(([path]) => path).filter((path) => vendorFolder.test(path))).toEqual([]);
    const imported = files.flatMap(([path, text]) => importsOf(path, text));
    expect(imported.filter((path) => vendorFolder.test(path))).toEqual([]);
    // Otherwise no file was checked.
    expect(imported).toContain('lambdas/providers/compute.ts');
    expect(files.filter(([path]) => neutral.test(path)).length).toBeGreaterThan(40);
  });

  it('have neutral stories that import nothing of a vendor either', () => {
    const imported = [
      ...readWithImports(globSync('tests/seam/neutral-{stories,crash}*.test.ts', { cwd: repository })).keys(),
    ];
    expect(imported.filter((path) => vendorFolder.test(path) || standIns.test(path))).toEqual([]);
    // Otherwise no file was checked.
    expect(imported).toContain('lambdas/providers/compute.ts');
    expect(imported).toContain('tests/seam/environment-process.ts');
  });

  it('name no vendor in their code', () => {
    const named = files
      .filter(([path]) => neutral.test(path))
      .flatMap(([path, text]) => vendorsIn(path, text));
    expect(named).toEqual([]);
  });

  it.each([
    ['an import', "import type { Machines } from '../providers/ec2/ec2-ports.ts';"],
    ['a text for people', "  const why = ' EC2 says why';"],
    ['a field', '  instanceId: string;'],
    ['a type of machine', '  const fix = "choose one like `t4g.2xlarge`";'],
  ])('would fail here because of %s', (_what, line) => {
    expect(vendorsIn('lambdas/core/lifecycle.ts', line)).toHaveLength(1);
  });

  it.each(allowed)('have a use for the exception: $reason', ({ files: where, line }) => {
    const used = files
      .filter(([path]) => neutral.test(path) && where.test(path))
      .flatMap(([, text]) => text.split('\n'))
      .filter((one) => vendors.test(one) && line.test(one));
    expect(used).not.toEqual([]);
  });
});
