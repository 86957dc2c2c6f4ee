import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { MailboxSpec } from '../lambdas/providers/ec2/mailbox.ts';
import { checkOutWithGit } from './check-out-with-git.ts';
import type { Manifest } from './checkout.ts';
import { failWith } from './deploy-failure.ts';
import { extractArchive, surveyArchive } from './extract-archive.ts';
import type { RunCommand } from './run-command.ts';

/**
 * Brings the commit of a deployment spec onto the disk, beside what runs.
 * Answers `needs` when it cannot continue without the control plane: GitHub's temporary address expired, or
 * the archive lacks something that only git can check out.
 */
export type FetchedSource =
  | { ok: true; manifest: Manifest; warnings: string[] }
  | { ok: false; needs: 'archive' | 'git'; reason: string };

export interface SourceFolders {
  /** The checkout; no container mounts it. */
  source: string;
  /** The folder for downloads and git's own files. */
  scratch: string;
}

export interface SourceDeps {
  run: RunCommand;
  fetch: typeof globalThis.fetch;
  sleep(ms: number): Promise<void>;
}

export async function fetchSource(
  source: MailboxSpec['source'],
  folders: SourceFolders,
  previous: Manifest,
  deps: SourceDeps,
  signal: AbortSignal,
): Promise<FetchedSource> {
  switch (source.kind) {
    case 'git':
      return { ok: true, ...(await checkOutWithGit(source, folders.source, previous, deps.run, signal)) };
    case 'archive': {
      const file = join(folders.scratch, 'source.tar.gz');
      const downloaded = await download(source.url, file, deps, signal);
      if (!downloaded.ok) return { ok: false, needs: 'archive', reason: downloaded.reason };
      try {
        const survey = await surveyArchive(file);
        if (survey.git) return { ok: false, needs: 'git', reason: survey.git };
        await rm(join(folders.source, '.git'), { recursive: true, force: true });
        const manifest = await extractArchive(file, folders.source, previous, survey, signal);
        return { ok: true, manifest, warnings: survey.warnings };
      } finally {
        await rm(file, { force: true });
      }
    }
  }
}

const TRIES = 4;

/** Only the control plane can renew an expired address; every other failure is tried again here. */
async function download(
  url: string,
  file: string,
  deps: SourceDeps,
  signal: AbortSignal,
): Promise<{ ok: true } | { ok: false; reason: string }> {
  let problem = '';
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await deps.sleep(500 * 2 ** attempt);
    signal.throwIfAborted();
    try {
      const response = await deps.fetch(url, { signal, headers: { 'user-agent': 'eph-agent' } });
      if ([401, 403, 404, 410].includes(response.status)) {
        await response.body?.cancel();
        return { ok: false, reason: `the archive's address answers ${response.status}: it has expired` };
      }
      if (!response.ok || !response.body) throw new Error(`the archive's address answers ${response.status}`);
      await pipeline(Readable.fromWeb(response.body), createWriteStream(file), { signal });
      return { ok: true };
    } catch (error) {
      signal.throwIfAborted();
      problem = causeOf(error);
    }
  }
  return failWith(
    'source',
    `The source could not be downloaded from GitHub: ${problem}. Another push tries again.`,
  );
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
