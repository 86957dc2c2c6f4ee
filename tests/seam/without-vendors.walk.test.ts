import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { readSeam, repository } from './read-seam.ts';

/** The interfaces are real when whoever goes by them compiles in a house that no vendor has ever been in. */
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** The repository as it would be with the folders of all providers deleted. */
function copySeam(): string {
  const folder = mkdtempSync(join(tmpdir(), 'eph-seam-'));
  folders.push(folder);
  for (const [path, text] of readSeam()) write(folder, path, text);
  cpSync(join(repository, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const settings = JSON.parse(readFileSync(join(repository, 'tsconfig.json'), 'utf8')) as object;
  write(folder, 'tsconfig.json', JSON.stringify({ ...settings, include: ['lambdas'], exclude: [] }));
  return folder;
}

function write(folder: string, path: string, text: string): void {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}

/** What the compiler finds; nothing when all is well. */
async function faultsIn(folder: string): Promise<string> {
  const compiler = join(repository, 'node_modules/typescript/bin/tsc');
  try {
    await promisify(execFile)(process.execPath, [compiler, '--noEmit', '-p', folder]);
    return '';
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
  }
}

describe('core, reconcile, sweep and store', () => {
  it('compile without the folders of EC2, Cloudflare and GitHub', async () => {
    expect(await faultsIn(copySeam())).toBe('');
  });

  it('would not, if one of them used what only a vendor has', async () => {
    const folder = copySeam();
    const used =
      "import type { Machines } from '../providers/ec2/ec2-ports.ts';\nexport type Used = Machines;\n";
    write(folder, 'lambdas/reconcile/uses-a-vendor.ts', used);
    expect(await faultsIn(folder)).toContain('providers/ec2/ec2-ports.ts');
  });
});
