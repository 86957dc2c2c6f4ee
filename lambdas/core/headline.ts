import type { Reason } from './desired.ts';
import type { EnvironmentState, Failure } from './environment.ts';
import { isUnfinished, isWaking, isWanted } from './lifecycle.ts';

/** The current state in one line and one sentence; `summary.ts` has the rest. */
export interface Headline {
  state:
    | 'declined'
    | 'removed'
    | 'asleep'
    | 'paused'
    | 'queued'
    | 'waking'
    | 'building'
    | 'updating'
    | 'ready'
    | 'failed';
  /** `over`: nothing runs, and nothing is under way. */
  tone: 'pending' | 'good' | 'bad' | 'over';
  title: string;
  sentence: string;
  /** For places that have room for one line. */
  short: string;
  /** May the address, where there is one, be shown? */
  live: boolean;
  /** Nobody asked for a preview: report this only where an earlier report exists. */
  quiet?: boolean;
}

/** `reachable`: the main address leads to the environment, according to what is known to exist. */
export function describeHeadline(state: EnvironmentState, reachable: boolean): Headline | undefined {
  if (!state.pull) return undefined;
  if (!isWanted(state)) return unwantedHeadline(state);
  // A machine may serve without an address: a run died while it withdrew the address, or somebody deleted it by hand.
  return wantedHeadline(state, reachable ? state.serving : undefined);
}

function unwantedHeadline(state: EnvironmentState): Headline | undefined {
  const gone = { state: 'declined', tone: 'over', live: false } as const;
  switch (state.wanted?.reason) {
    case 'fork':
      return {
        ...gone,
        title: 'No preview for a fork',
        sentence:
          'This pull request comes from a fork, and Eph does not run code of forks: it would run with this organisation’s account and network. Push the branch to this repository to get a preview.',
        short: 'No preview for a fork',
      };
    case 'bot':
      return {
        ...gone,
        title: 'No preview for a bot',
        sentence:
          'This pull request was opened by a bot, and Eph does not start a machine for those. Push the branch under a person’s account to get a preview.',
        short: 'No preview for a bot',
      };
    case 'draft':
      return {
        ...gone,
        title: 'Preview paused while this is a draft',
        sentence: 'Mark the pull request as ready for review and it comes back at the same address.',
        short: 'No preview while this is a draft',
        quiet: true,
      };
    case 'unlisted':
      return {
        ...gone,
        title: 'No preview for this repository',
        sentence:
          'This repository is not on Eph’s list and has no `eph.yaml` at this commit. Add an `eph.yaml` (it may be empty) to get a preview.',
        short: 'No preview for this repository: it is not listed and has no eph.yaml',
        quiet: true,
      };
    case 'nothing-to-run':
      return {
        ...gone,
        title: 'Nothing to preview',
        sentence:
          'This commit has neither a compose file nor a `Dockerfile` in its root, nor an `eph.yaml` that names one.',
        short: 'No preview here: there is no compose file, Dockerfile or eph.yaml',
        quiet: true,
      };
    case 'excluded':
      return {
        ...gone,
        title: 'No preview for this repository',
        sentence:
          'Whoever operates Eph has taken this repository out of its list (`REPOSITORIES`). Ask them for a preview.',
        short: 'No preview here: the repository is taken out of the list',
        quiet: true,
      };
    case undefined:
      return undefined;
    default:
      return removedHeadline(state, state.wanted?.reason);
  }
}

const removals: Partial<Record<Reason, string>> = {
  archived: 'The repository was archived',
  'operator-closed': 'Eph is being taken down',
  'asked-destroy': 'Somebody asked to remove it',
  expired: 'Nobody has used it for long',
};

function removedHeadline({ pull, host }: EnvironmentState, reason: Reason | undefined): Headline {
  const closed =
    pull?.state === 'closed' ? `The pull request was ${pull.merged ? 'merged' : 'closed'}` : undefined;
  const why = closed ?? (reason && removals[reason]) ?? 'The pull request was closed';
  const sentence = host
    ? `${why}. The address is gone and the machine is off; its disk is kept for a while in case the pull request is reopened.`
    : `${why}. Address, machine and disk are gone.`;
  return {
    state: 'removed',
    tone: 'over',
    title: 'Preview removed',
    sentence,
    short: 'Preview removed',
    live: false,
    quiet: true,
  };
}

type Served = EnvironmentState['serving'];

function wantedHeadline(state: EnvironmentState, served: Served): Headline {
  const sha = short(state.pull?.sha);
  const current = served !== undefined && served.sha === state.pull?.sha;
  // A sleep has its own headline also if the commit failed: the status remains failed, and the failure is shown below.
  if (state.phase === 'stopped' || state.phase === 'stopping') return asleepHeadline(state);
  if (state.failure && state.failure.sha === state.pull?.sha)
    return failedHeadline(state, state.failure, served);
  if (current && !isUnfinished(state.order)) {
    return {
      state: 'ready',
      tone: 'good',
      title: 'Preview is ready',
      sentence: `\`${sha}\` is running.`,
      short: `${sha} is running`,
      live: true,
    };
  }
  if (state.phase === 'queued' && state.paused) return pausedHeadline;
  if (state.phase === 'queued') {
    return {
      state: 'queued',
      tone: 'pending',
      title: 'Waiting for a machine',
      sentence:
        (state.retries['launch-host'] ?? state.retries['start-host'])?.sentence ??
        'There is no machine to be had at the moment; Eph keeps trying.',
      short: 'Waiting for a machine',
      live: false,
    };
  }
  if (state.phase === 'waking' || isWaking(state)) {
    return {
      state: 'waking',
      tone: 'pending',
      title: 'Preview is waking',
      sentence: 'The machine starts with what was on its disk. The address will answer when it is up.',
      short: 'Waking',
      live: true,
    };
  }
  if (served) {
    return {
      state: 'updating',
      tone: 'pending',
      title: 'Updating the preview',
      sentence: `\`${sha}\` is being deployed. Until then the address serves \`${short(served.sha)}\`.`,
      short: `Deploying ${sha}`,
      live: true,
    };
  }
  return {
    state: 'building',
    tone: 'pending',
    title: 'Preview is being built',
    sentence: `\`${sha}\` is being deployed. The address will answer when it is up.`,
    short: `Deploying ${sha}`,
    live: true,
  };
}

function failedHeadline({ pull }: EnvironmentState, failure: Failure, serving: Served): Headline {
  const failed = `\`${short(pull?.sha)}\` could not be deployed`;
  const told = {
    state: 'failed',
    tone: 'bad',
    short: failure.sentence,
    // Part of it may answer even if nothing could be started again: a failure never takes the address from people.
    live: serving !== undefined || failure.lost !== undefined,
  } as const;
  if (serving) {
    const still = `The address still serves \`${short(serving.sha)}\`.`;
    return { ...told, title: 'Update failed', sentence: `${failed}. ${still}` };
  }
  if (failure.lost) {
    const gone = `\`${short(failure.lost)}\`, which the address served before, could not be started again`;
    return { ...told, title: 'Update failed', sentence: `${failed}, and ${gone}.` };
  }
  return { ...told, title: 'Preview failed', sentence: `${failed}.` };
}

const asleepBecause: Partial<Record<Reason, string>> = {
  'asked-stop': 'Somebody stopped it.',
  evicted: 'Its place was given to another preview.',
  idle: 'Nobody has used it for a while.',
};

/** A sleep reports nothing new about a commit: the result that was reported last remains. */
function asleepHeadline({ wanted }: EnvironmentState): Headline {
  const because = wanted && asleepBecause[wanted.reason];
  const kept = 'The machine is off, its disk is kept and the address stays';
  return {
    state: 'asleep',
    tone: 'over',
    title: 'Preview is asleep',
    sentence: because
      ? `${because} ${kept}.`
      : `Eph is paused by its operator. ${kept}; it starts again by itself when Eph is resumed.`,
    short: because ? `Asleep: ${because.replace(/\.$/, '')}` : 'Asleep: Eph is paused by its operator',
    live: true,
  };
}

const pausedHeadline: Headline = {
  state: 'paused',
  tone: 'pending',
  title: 'Waiting for Eph to be resumed',
  sentence: 'Eph is paused by its operator; this goes on by itself when it is resumed.',
  short: 'Eph is paused by its operator',
  live: false,
};

function short(sha: string | undefined): string {
  return (sha ?? '').slice(0, 7);
}
