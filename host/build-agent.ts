import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles the agent into one ESM file that needs nothing but Node. Its name in the bucket is its hash
 * (`agent/<sha256>.mjs`), which is also in each host's user data: a release needs no new machine image, and
 * a host runs exactly the agent it was launched with.
 */
export interface BuiltAgent {
  code: Uint8Array;
  sha256: string;
}

const requireBanner =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export async function buildAgent(): Promise<BuiltAgent> {
  const built = await build({
    entryPoints: [fileURLToPath(new URL('./agent.ts', import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: requireBanner },
    legalComments: 'none',
    logLevel: 'silent',
  });
  const [file] = built.outputFiles;
  if (!file) throw new Error('esbuild wrote no agent');
  return { code: file.contents, sha256: createHash('sha256').update(file.contents).digest('hex') };
}

if (import.meta.main) {
  const target = process.argv[2] ?? 'dist/agent.mjs';
  const { code, sha256 } = await buildAgent();
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, code);
  console.log(`${sha256}  ${target} (${Math.round(code.length / 1024)} KB)`);
}
