import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** An ES module has no `require`, and CommonJS packages inside the bundle call it for Node's own modules. */
const requireBanner = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

/**
 * One handler as one file with everything in it, our own copy of the AWS SDK included: the runtime's copy changes
 * without notice. `module` before `main` halves bundle and import time, because esbuild's default for Node picks
 * CommonJS, from which it cannot remove unused code.
 *
 * `node infra/stack/bundle-function.ts <handler.ts> <folder>` writes index.mjs and its map.
 */
export async function bundleFunction(entry: string, folder: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: join(folder, 'index.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: requireBanner },
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    plugins: [shakeableSchemas],
  });
}

/**
 * The SDK describes every operation of a service in one file, as arrays with keys like `[_xN]`. esbuild keeps such an
 * array even where nothing uses it, because a computed key could have an effect: for EC2 alone that is 547 kB for six
 * operations. The keys are constants of the same file, so replacing them by their values only allows esbuild to leave
 * more out.
 */
const shakeableSchemas: Plugin = {
  name: 'shakeable-schemas',
  setup({ onLoad }) {
    onLoad(
      { filter: /@aws-sdk[/\\]client-[^/\\]+[/\\]dist-es[/\\]schemas[/\\].*\.js$/ },
      async ({ path }) => {
        const source = await readFile(path, 'utf8');
        const constants = new Map(
          [...source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, text]) => [name, text]),
        );
        const contents = source.replaceAll(/\[(_\w+)\]:/g, (key, name) => {
          const text = constants.get(name);
          return text ? `${text}:` : key;
        });
        return { contents, loader: 'js' };
      },
    );
  },
};

if (import.meta.main) {
  const [entry, folder] = process.argv.slice(2);
  if (!entry || !folder) throw new Error('usage: node infra/stack/bundle-function.ts <handler.ts> <folder>');
  await bundleFunction(entry, folder);
}
