import { join } from 'node:path';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { type Announcement, announcePlatform } from '../local/announce-platform.ts';
import { findPlatform, type RunningPlatform } from '../local/find-platform.ts';
import { onStopSignal } from '../local/on-stop-signal.ts';
import { type Platform, startPlatform } from '../local/platform.ts';
import { openSource, type Source } from './try/open-source.ts';
import { type Attempt, trySource } from './try/try-source.ts';

/** `make try DIR=../my-app`: a repository as a pull request on the local platform, until Ctrl-C. */
const dir = join(import.meta.dirname, '..', '.local');
const print = (line: string) => console.log(line);
const stopping = new AbortController();
let source: Source | undefined;
let starting: Promise<Platform> | undefined;
let announcement: Announcement | undefined;
let attempt: Attempt | undefined;
let cleaning: Promise<void> | undefined;

onStopSignal(cleanUp);
try {
  await tryIt();
} catch (error) {
  // Without the platform nothing can continue; a person who pressed Ctrl-C knows that.
  if (!stopping.signal.aborted) {
    console.error(`✗ ${error instanceof Error ? error.message : error}`);
    if (error instanceof OperatorError && error.fix) console.error(`  ${error.fix}`);
    process.exitCode = 1;
  }
}
// After a signal its listener ends the process when everything is removed.
await (cleaning ? new Promise(() => undefined) : cleanUp());
process.exit(process.exitCode ?? 0);

async function tryIt(): Promise<void> {
  const { DIR, REPO } = process.env;
  source = await openSource({ ...(DIR && { DIR }), ...(REPO && { REPO }) });
  if (source.note) print(source.note);
  const platform = (await findPlatform(dir)) ?? (await startOne(source.name));
  attempt = await trySource({ source, platform, print, signal: stopping.signal });
  await attempt.follow();
}

async function startOne(name: string): Promise<RunningPlatform> {
  print('Starting the local platform');
  starting = startPlatform({
    dir,
    wireLogFile: process.env['WIRE_LOG'],
    log: (line) => print(`          ${line}`),
    settings: { TERMINATE_AFTER_SECONDS: '0' },
    // The image of every environment's proxy. Images that the repository needs are fetched when they are asked for.
    images: ['caddy:2'],
    signal: stopping.signal,
  });
  const platform = await starting;
  const repository = `${platform.github.owner}/${name}`;
  announcement = await announcePlatform(platform, { dir, repository, wireLogFile: process.env['WIRE_LOG'] });
  const running = await findPlatform(dir);
  if (!running) throw new Error('The platform that was just started does not answer.');
  return running;
}

function cleanUp(): Promise<void> {
  cleaning ??= takeAllAway();
  return cleaning;
}

async function takeAllAway(): Promise<void> {
  stopping.abort();
  if (attempt || starting) print('\nTaking it away');
  // A platform that was already running continues without the pull request.
  await attempt?.close().catch((error: unknown) => console.error(String(error)));
  const platform = await starting?.catch(() => undefined);
  await announcement?.close();
  await platform?.close();
  await source?.close();
}
