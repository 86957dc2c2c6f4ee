import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import type { Environment } from '../../infra/settings/env-file.ts';
import { bad, type Check, good, type Verdict } from './check.ts';

const run = promisify(execFile);
const packageFile = join(import.meta.dirname, '../../package.json');

/** Programs on this machine; the rest comes with `npm ci`. */
export function machineChecks(settings: Environment): Check[] {
  const group = 'This machine';
  return [
    { group, title: 'Node.js', run: checkNode },
    { group, title: 'npm', run: () => checkProgram('npm', 'Install npm; it comes with Node.js.') },
    { group, title: 'Packer', run: () => checkPacker(settings) },
  ];
}

async function checkNode(): Promise<Verdict> {
  const { engines } = v.parse(
    v.object({ engines: v.object({ node: v.string() }) }),
    JSON.parse(await readFile(packageFile, 'utf8')),
  );
  const wanted = engines.node.replace(/^>=/, '');
  if (isAtLeast(process.versions.node, wanted)) return good(`Node.js ${process.versions.node}`);
  return bad(
    `Node.js is ${process.versions.node}, older than ${wanted}.`,
    'Run it through make, which fetches the right one, or install Node.js 24.',
  );
}

/** Packer is only needed to make an image: once, and after a change of packer/. */
async function checkPacker(settings: Environment): Promise<Verdict> {
  if (settings['HOST_IMAGE'] === 'stock') return good('Packer is not needed: HOST_IMAGE=stock');
  if (settings['LOCAL_PLATFORM']) return good('Packer is not needed: the local platform makes its images');
  return checkProgram(
    'packer',
    'Install it (https://developer.hashicorp.com/packer/install), or set HOST_IMAGE=stock: then each machine installs Docker at its first boot.',
  );
}

async function checkProgram(program: string, fix: string): Promise<Verdict> {
  try {
    const { stdout } = await run(program, ['--version'], { timeout: 20_000 });
    const [version = ''] = /\d+\.\d+[.\d]*/.exec(stdout) ?? [];
    return good(`${program} ${version}`);
  } catch {
    return bad(`${program} is not on this machine, or does not run.`, fix);
  }
}

function isAtLeast(version: string, wanted: string): boolean {
  const [have, need] = [version, wanted].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (have?.[index] ?? 0) - (need?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
