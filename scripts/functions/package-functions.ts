import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { listHandlers, zipFunction } from './zip-function.ts';

/** `make lambda-package`: dist/<handler>.zip for each function; the same sources make the same bytes. */
export async function packageFunctions(terminal: Terminal): Promise<void> {
  await mkdir('dist', { recursive: true });
  for (const handler of await listHandlers()) {
    const zip = await zipFunction(handler);
    const file = join('dist', handler.replace(/\.ts$/, '.zip'));
    await writeFile(file, zip);
    const hash = createHash('sha256').update(zip).digest('hex');
    terminal.mark('done', `${file}  ${Math.round(zip.byteLength / 1024)} KB  sha256 ${hash}`);
  }
}
