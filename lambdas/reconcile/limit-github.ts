import { EphError } from '#core/failure';
import {
  GITHUB_CALL_BURST,
  GITHUB_CALL_INTERVAL,
  GITHUB_FRESH_QUESTION,
  GITHUB_QUESTIONS_BURST,
} from '#core/limits';
import type { Ports } from '../ports.ts';

/** Until when the calls that one environment has made are paid for. */
export interface GitHubAccount {
  paidUntil: number;
}

/**
 * GitHub as one environment may use it. All repositories of an installation share its limit of calls, so the pushes,
 * or forged messages, of one pull request may not use up what the others need. Each call costs some time, which
 * passes by itself; whoever is too far ahead waits. Calls of a port are counted, a look for lost access takes more.
 */
export function limitGitHub(
  pullRequests: Ports['pullRequests'],
  account: GitHubAccount,
  now: () => number,
): Ports['pullRequests'] {
  return new Proxy(pullRequests, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function') return method;
      return async (...parameters: unknown[]) => {
        pay(
          account,
          now(),
          priceOf(name, parameters),
          name === 'read' ? GITHUB_QUESTIONS_BURST : GITHUB_CALL_BURST,
        );
        return Reflect.apply(method, target, parameters);
      };
    },
  });
}

function priceOf(name: string | symbol, [question]: unknown[]): number {
  const isFresh =
    typeof question === 'object' && question !== null && 'freshly' in question && question.freshly === true;
  return name === 'read' && isFresh ? GITHUB_FRESH_QUESTION : 1;
}

function pay(account: GitHubAccount, now: number, price: number, burst: number): void {
  const paidUntil = Math.max(account.paidUntil, now) + price * GITHUB_CALL_INTERVAL;
  const ahead = paidUntil - (now + burst * GITHUB_CALL_INTERVAL);
  if (ahead > 0) {
    throw new EphError(
      'transient',
      'github_calls_used_up',
      'This pull request has asked GitHub very often in the last minutes; Eph goes on more slowly.',
      { retryAfter: Math.max(ahead, GITHUB_CALL_INTERVAL) },
    );
  }
  account.paidUntil = paidUntil;
}
