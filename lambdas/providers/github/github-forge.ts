import { permanent } from '#core/failure';
import type { Summary } from '#core/summary';
import type { LogLine } from '../../ports.ts';
import type { Forge } from '../forge.ts';
import { checkOnGithub } from './check-on-github.ts';
import { forgetReported, handleOf, readReported } from './github-reported.ts';
import { partDue, viewOf } from './github-view.ts';
import type { GithubWire } from './github-wire.ts';
import { limitGithub } from './limit-github.ts';
import { redeliverMissed } from './redeliver-missed.ts';
import { showOnGithub } from './show-on-github.ts';

export interface GithubForgeSettings {
  wire: GithubWire;
  deploymentId: string;
  now(): number;
  log(line: LogLine): void;
}

/** Pull requests of GitHub; people read a comment, a commit status and a deployment. */
export function githubForge(settings: GithubForgeSettings): Forge<Summary> {
  const { wire, deploymentId, now } = settings;
  return {
    within: (account) => githubForge({ ...settings, wire: limitGithub(wire, account, now) }),
    read: async (question) => wire.read(withNumber(question)),
    root: (ref, sha) => wire.readRoot(ref, sha),
    file: (ref, sha, path) => wire.readFile(ref, sha, path),

    async source(ref, sha, kind) {
      if (kind === 'archive') return { kind, sha, url: await wire.archiveUrl(ref, sha) };
      return { kind, sha, ...(await wire.checkoutToken(ref)) };
    },

    isShown(summary, handle) {
      const reported = readReported(handle);
      return reported === 'unknown' || !partDue(summary, reported, viewOf(summary, reported, deploymentId));
    },

    forgetShown(handle) {
      const reported = readReported(handle);
      return reported === 'unknown' ? handle : handleOf(forgetReported(reported));
    },

    async show(ref, summary, handle, showing) {
      const reported = readReported(handle);
      if (reported === 'unknown') return { handle, done: true, note: 'told by another version' };
      const reporting = { wire, deploymentId, now, ref, summary: withNumber(summary), reported, ...showing };
      return showOnGithub(reporting);
    },

    isChecked(handle) {
      const reported = readReported(handle);
      return reported === 'unknown' || reported.checked === true;
    },

    async check(ref, summary, handle) {
      const reported = readReported(handle);
      if (reported === 'unknown') return handle;
      const checking = { wire, deploymentId, now, ref, summary: withNumber(summary), reported };
      return handleOf(await checkOnGithub(checking));
    },

    async passQueue(ref, sha) {
      if (!(await wire.isInMergeQueue(ref, sha))) return;
      await wire.setStatus(ref, sha, { state: 'success', description: 'No preview for a merge queue' });
    },

    missed: (span) => redeliverMissed(span, settings),
  };
}

/** A comment belongs to a pull request, and the question whether that is open needs its number. */
function withNumber<T extends { number?: number }>(of: T): T & { number: number } {
  const { number } = of;
  if (number !== undefined) return { ...of, number };
  throw permanent('no_pull_request', 'On GitHub, Eph makes environments of pull requests alone so far.');
}
