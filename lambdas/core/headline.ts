import type { DeploymentState, EnvironmentState, Failure, StatusState } from './environment.ts';
import { isHeldBack, isUnfinished, isWanted } from './lifecycle.ts';

/** What is so, in one line and one sentence; the rest of the comment is around it (`view.ts`). */
export interface Headline {
  icon: string;
  title: string;
  sentence: string;
  /** For the commit status and the deployment. */
  short: string;
  status?: StatusState;
  deployment?: DeploymentState;
  /** Is there a URL to show? */
  live: boolean;
  /** Nobody asked: say it only where a comment exists already. */
  quiet?: boolean;
}

export function describeHeadline(state: EnvironmentState): Headline | undefined {
  if (!state.pull) return undefined;
  return isWanted(state) ? wantedHeadline(state) : unwantedHeadline(state);
}

function unwantedHeadline(state: EnvironmentState): Headline | undefined {
  const gone = { deployment: 'inactive' as const, live: false };
  switch (state.pull?.state === 'open' ? state.decline : undefined) {
    case 'fork':
      return {
        ...gone,
        icon: '🔒',
        title: 'No preview for a fork',
        sentence:
          'This pull request comes from a fork, and Eph does not run code of forks: it would run with this organisation’s account and network. Push the branch to this repository to get a preview.',
        short: 'No preview for a fork',
      };
    case 'bot':
      return {
        ...gone,
        icon: '🤖',
        title: 'No preview for a bot',
        sentence:
          'This pull request was opened by a bot, and Eph does not start a machine for those. Push the branch under a person’s account to get a preview.',
        short: 'No preview for a bot',
      };
    case 'draft':
      return {
        ...gone,
        icon: '📝',
        title: 'Preview paused while this is a draft',
        sentence: 'Mark the pull request as ready for review and it comes back at the same address.',
        short: 'No preview while this is a draft',
        quiet: true,
      };
    case 'unlisted':
      return {
        ...gone,
        icon: '📄',
        title: 'No preview for this repository',
        sentence:
          'This repository is not on Eph’s list and has no `eph.yaml` at this commit. Add an `eph.yaml` (it may be empty) to get a preview.',
        short: 'No preview for this repository: it is not listed and has no eph.yaml',
        quiet: true,
      };
    case 'nothing-to-run':
      return {
        ...gone,
        icon: '📄',
        title: 'Nothing to preview',
        sentence:
          'This commit has neither a compose file nor a `Dockerfile` in its root, nor an `eph.yaml` that names one.',
        short: 'No preview here: there is no compose file, Dockerfile or eph.yaml',
        quiet: true,
      };
    case 'excluded':
      return {
        ...gone,
        icon: '📄',
        title: 'No preview for this repository',
        sentence:
          'Whoever operates Eph has taken this repository out of its list (`REPOSITORIES`). Ask them for a preview.',
        short: 'No preview here: the repository is taken out of the list',
        quiet: true,
      };
    case undefined:
      return closedHeadline(state);
  }
}

function closedHeadline(state: EnvironmentState): Headline {
  const word = state.pull?.merged ? 'merged' : 'closed';
  const open = state.pull?.state === 'open';
  const archived = state.pull?.archived ? 'The repository was archived' : 'Eph is being taken down';
  const reason = open ? archived : `The pull request was ${word}`;
  const sentence = state.host
    ? `${reason}. The address is gone and the machine is off; its disk is kept for a while in case the pull request is reopened.`
    : `${reason}. Address, machine and disk are gone.`;
  return {
    icon: '⚫',
    title: 'Preview removed',
    sentence,
    short: 'Preview removed',
    deployment: 'inactive',
    live: false,
    quiet: true,
  };
}

function wantedHeadline(state: EnvironmentState): Headline {
  const sha = short(state.pull?.sha);
  const served = state.serving;
  const current = served !== undefined && served.sha === state.pull?.sha;
  // What failed stays so; below it is told why.
  if (state.phase === 'stopped') return pausedHeadline(state);
  if (state.failure && state.failure.sha === state.pull?.sha) return failedHeadline(state, state.failure);
  if (current && !isUnfinished(state.order)) {
    return {
      icon: '🟢',
      title: 'Preview is ready',
      sentence: `\`${sha}\` is running.`,
      short: `${sha} is running`,
      status: 'success',
      deployment: 'success',
      live: true,
    };
  }
  const busy = { status: 'pending' as const, deployment: 'in_progress' as const };
  if (isHeldBack(state)) return pausedHeadline(state);
  if (state.phase === 'queued') {
    return {
      ...busy,
      deployment: 'pending',
      icon: '⏳',
      title: 'Waiting for a machine',
      sentence:
        (state.retries['launch-host'] ?? state.retries['start-host'])?.sentence ??
        'There is no machine to be had at the moment; Eph keeps trying.',
      short: 'Waiting for a machine',
      live: false,
    };
  }
  if (served) {
    return {
      ...busy,
      icon: '🔵',
      title: 'Updating the preview',
      sentence: `\`${sha}\` is being deployed. Until then the address serves \`${short(served.sha)}\`.`,
      short: `Deploying ${sha}`,
      live: true,
    };
  }
  return {
    ...busy,
    icon: '🔵',
    title: 'Preview is being built',
    sentence: `\`${sha}\` is being deployed. The address will answer when it is up.`,
    short: `Deploying ${sha}`,
    live: true,
  };
}

function failedHeadline({ pull, serving }: EnvironmentState, failure: Failure): Headline {
  const failed = `\`${short(pull?.sha)}\` could not be deployed`;
  const told = {
    icon: '🔴',
    short: failure.sentence,
    status: 'failure',
    deployment: 'failure',
    // Part of it may answer even where nothing could be started again: the address is never taken from people.
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

/** A commit that was told to run keeps its status: the operator's pause says nothing about it. */
function pausedHeadline(state: EnvironmentState): Headline {
  if (state.phase === 'stopped') {
    return {
      icon: '💤',
      title: 'Preview is asleep',
      sentence:
        'Eph is paused by its operator. The machine is off, its disk is kept and the address stays; it starts again by itself when Eph is resumed.',
      short: 'Asleep: Eph is paused by its operator',
      deployment: 'inactive',
      live: true,
    };
  }
  return {
    icon: '⏳',
    title: 'Waiting for Eph to be resumed',
    sentence: 'Eph is paused by its operator; this goes on by itself when it is resumed.',
    short: 'Eph is paused by its operator',
    status: 'pending',
    deployment: 'pending',
    live: false,
  };
}

function short(sha: string | undefined): string {
  return (sha ?? '').slice(0, 7);
}
