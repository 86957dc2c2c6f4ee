import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '../scripts/terminal/printable.ts';

/** `make sweep TASK=due`: runs the cleanup of the running local platform now, instead of on its schedule. */
const task = process.env['TASK'] || 'due';
if (task !== 'due' && task !== 'compare') {
  console.error(`There is no task "${task}"; say make sweep TASK=due or TASK=compare.`);
  process.exit(1);
}
const file = join(import.meta.dirname, '..', '.local/platform.json');
const text = await readFile(file, 'utf8').catch(() => undefined);
if (!text) {
  console.error('No local platform is running; start one with `make local`.');
  process.exit(1);
}
const { control } = JSON.parse(text);
const reply = await fetch(`${control}/sweep/${task}`, { method: 'POST' }).catch(() => undefined);
if (!reply) {
  console.error('The local platform does not answer any more; start one with `make local`.');
  process.exit(1);
}
console.log(printable((await reply.text()).trim()));
process.exitCode = reply.ok ? 0 : 1;
