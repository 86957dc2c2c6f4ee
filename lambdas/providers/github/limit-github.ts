import { EphError } from '#core/failure';
import type { CallAccount } from '../forge.ts';
import { CALL_BURST, CALL_INTERVAL, FRESH_QUESTION, QUESTIONS_BURST } from './github-limits.ts';
import type { GithubWire } from './github-wire.ts';

/**
 * GitHub as one environment may use it. All repositories of an installation share its limit of calls, so the pushes, or
 * forged messages, of one pull request must not use up what the others need. Each call costs some time, which passes by
 * itself; an environment that is too far ahead waits. Calls of `GithubWire` count; a search for lost access takes more.
 */
export function limitGithub(wire: GithubWire, account: CallAccount, now: () => number): GithubWire {
  return new Proxy(wire, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function') return method;
      return async (...parameters: unknown[]) => {
        pay(account, now(), priceOf(name, parameters), name === 'read' ? QUESTIONS_BURST : CALL_BURST);
        return Reflect.apply(method, target, parameters);
      };
    },
  });
}

function priceOf(name: string | symbol, [question]: unknown[]): number {
  const isFresh =
    typeof question === 'object' && question !== null && 'freshly' in question && question.freshly === true;
  return name === 'read' && isFresh ? FRESH_QUESTION : 1;
}

function pay(account: CallAccount, now: number, price: number, burst: number): void {
  const paidUntil = Math.max(account.paidUntil, now) + price * CALL_INTERVAL;
  const ahead = paidUntil - (now + burst * CALL_INTERVAL);
  if (ahead > 0) {
    throw new EphError(
      'transient',
      'github_calls_used_up',
      'This pull request has asked GitHub very often in the last minutes; Eph goes on more slowly.',
      { retryAfter: Math.max(ahead, CALL_INTERVAL) },
    );
  }
  account.paidUntil = paidUntil;
}
