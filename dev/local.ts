import { join, relative } from 'node:path';
import { type Announcement, announcePlatform } from '../local/announce-platform.ts';
import { onStopSignal } from '../local/on-stop-signal.ts';
import { type Platform, startPlatform } from '../local/platform.ts';
import { printable } from '../scripts/terminal/printable.ts';

/** `make local`: the platform alone, until Ctrl-C. WIRE_LOG=file records its traffic, VERBOSE=1 shows more. */
const dir = join(import.meta.dirname, '..', '.local');
const wireLogFile = process.env['WIRE_LOG'];
const verbose = process.env['VERBOSE'] !== undefined;
const terminateAfter = process.env['TERMINATE_AFTER_SECONDS'];
const stopping = new AbortController();

const starting = startPlatform({
  dir,
  wireLogFile,
  log: (line) => console.log(printable(line)),
  detail: (source, line) => {
    if (verbose) console.log(printable(`${source}: ${line}`));
  },
  settings: terminateAfter === undefined ? {} : { TERMINATE_AFTER_SECONDS: terminateAfter },
  signal: stopping.signal,
});
const announcing = starting.then(announce);
onStopSignal(stop);

try {
  await announcing;
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

async function announce(platform: Platform): Promise<Announcement> {
  const shop = await platform.github.createRepository({ name: 'shop', files: { 'README.md': '# Shop\n' } });
  const repository = `${shop.owner}/${shop.name}`;
  const made = await announcePlatform(platform, { dir, repository, wireLogFile });
  console.log(`The platform is up. Its addresses and tokens are in ${made.file}.`);
  console.log(`  pull requests   ${platform.github.url}/${repository}`);
  console.log(`  git             ${shop.cloneUrl} (any user name, a token as password)`);
  console.log(
    `  operator        make plan ENV=${relative('.', made.envFile)} (deploy, doctor, destroy, ...)`,
  );
  console.log('A pull request: push a branch with a compose file to that git address, then');
  console.log(
    `  curl -X POST ${platform.github.apiUrl}/repos/${repository}/pulls -H "authorization: Bearer $TOKEN" \\`,
  );
  console.log(`    -d '{"title":"Try it","head":"<branch>","base":"main"}'   (TOKEN: tokens.writer)`);
  console.log('make demo does all of it by itself. Ctrl-C stops the platform; nothing is kept.');
  return made;
}

async function stop(): Promise<void> {
  console.log('\nStopping: machines, tunnels and everything else go.');
  stopping.abort();
  const platform = await starting.catch(() => undefined);
  const announcement = await announcing.catch(() => undefined);
  await announcement?.close();
  await platform?.close();
}
