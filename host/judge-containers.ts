import type { Container } from './compose.ts';
import { type ComposeProject, needsOf } from './compose-project.ts';

/**
 * Whether a deployment's containers are up. Not `up --wait`: it fails when a one-shot job exits 0.
 *
 * | container                                        | verdict                                         |
 * |--------------------------------------------------|-------------------------------------------------|
 * | has a health check                               | up when healthy; failed when unhealthy for 60 s |
 * | running without one                              | up after 3 s without a restart                  |
 * | exited 0, no restart policy, not public          | done: a one-shot job                            |
 * | exited otherwise, or restarting for the 3rd time | failed                                          |
 *
 * A failed service fails the deployment if it is the primary or the primary needs it (through any number of
 * steps); a failed worker, seed or tool is a warning, the preview is still worth opening.
 */
export type ContainerVerdict =
  | { kind: 'up' }
  | { kind: 'waiting'; why: string }
  | { kind: 'failed'; why: FailedWhy };

export type FailedWhy = 'exited' | 'out-of-memory' | 'restarting' | 'unhealthy' | 'not-started';

export const STEADY_MS = 3_000;
const UNHEALTHY_MS = 60_000;
const MAX_RESTARTS = 3;

export function judgeContainer(
  container: Container,
  seen: { now: number; unhealthySince: number | undefined; isPublic: boolean },
): ContainerVerdict {
  if (container.oomKilled && container.state !== 'running') return { kind: 'failed', why: 'out-of-memory' };
  switch (container.state) {
    case 'created':
      if (container.error !== '') return { kind: 'failed', why: 'not-started' };
      return { kind: 'waiting', why: 'is waiting to be started' };
    case 'restarting':
    case 'removing':
    case 'paused':
      if (container.restartCount >= MAX_RESTARTS) return { kind: 'failed', why: 'restarting' };
      return { kind: 'waiting', why: `is ${container.state}` };
    case 'dead':
      return { kind: 'failed', why: 'exited' };
    case 'exited':
      if (container.exitCode === 0 && finishesAtZero(container) && !seen.isPublic) return { kind: 'up' };
      if (
        container.restartPolicy !== 'no' &&
        container.restartCount < MAX_RESTARTS &&
        container.exitCode !== 0
      ) {
        return { kind: 'waiting', why: 'is restarting' };
      }
      return { kind: 'failed', why: container.exitCode === 137 ? 'out-of-memory' : 'exited' };
    case 'running':
      return judgeRunning(container, seen);
  }
}

function finishesAtZero({ restartPolicy }: Container): boolean {
  return restartPolicy === 'no' || restartPolicy === 'on-failure';
}

function judgeRunning(
  container: Container,
  { now, unhealthySince }: { now: number; unhealthySince: number | undefined },
): ContainerVerdict {
  if (container.restartCount >= MAX_RESTARTS && now - container.startedAt < UNHEALTHY_MS / 2) {
    return { kind: 'failed', why: 'restarting' };
  }
  if (container.health === 'healthy') return { kind: 'up' };
  if (container.health === 'unhealthy') {
    const long = unhealthySince !== undefined && now - unhealthySince >= UNHEALTHY_MS;
    return long ? { kind: 'failed', why: 'unhealthy' } : { kind: 'waiting', why: 'fails its health check' };
  }
  if (container.health === 'starting') return { kind: 'waiting', why: 'waits for its health check' };
  return now - container.startedAt >= STEADY_MS
    ? { kind: 'up' }
    : { kind: 'waiting', why: 'has just started' };
}

/** The primary and all that it needs. */
export function essentialServices(project: ComposeProject, primary: string): Set<string> {
  const essential = new Set<string>();
  const add = (name: string) => {
    if (essential.has(name)) return;
    essential.add(name);
    for (const needed of needsOf(project.services?.[name])) add(needed);
  };
  add(primary);
  return essential;
}
