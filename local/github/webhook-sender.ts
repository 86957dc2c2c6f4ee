import type { WireLog } from '../wire-log.ts';
import type { Github } from './github.ts';
import type { Delivery, DeliveryOutcome } from './github-state.ts';

/**
 * Sends deliveries as GitHub does: one POST, ten seconds, no second try. Lifecycle: listens to the state machine from
 * its creation; `close` drops held deliveries and waits for those that are being sent.
 */
export interface WebhookRule {
  /** The event of the deliveries; undefined means any. */
  event?: string;
  action?: string;
  /** The number of deliveries to which it applies; 1 if undefined. */
  times?: number;
  /**
   * duplicate: sent twice with the same guid. delay: sent `delayMs` later, so that later ones overtake it.
   * hold: kept until `release`. fail: recorded as failed, never sent. lose: neither sent nor recorded.
   */
  how: 'duplicate' | 'delay' | 'hold' | 'fail' | 'lose';
  delayMs?: number;
}

export interface WebhookFaults {
  next(rule: WebhookRule): void;
  /** Sends the held deliveries, in the given order. */
  release(order: 'forward' | 'reverse'): Promise<void>;
  clear(): void;
}

export interface WebhookSender {
  faults: WebhookFaults;
  /** Resolves when nothing is being sent (held deliveries do not count). */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** docs.github.com, "Best practices for using webhooks": answer within 10 seconds. */
const TIMEOUT_MS = 10_000;
const MAX_RECORDED_REPLY = 16_384;

export function createWebhookSender(github: Github, wireLog: WireLog): WebhookSender {
  let rules: (WebhookRule & { left: number })[] = [];
  let held: Delivery[] = [];
  const underWay = new Set<Promise<void>>();
  const closing = new AbortController();

  const send = async (delivery: Delivery): Promise<void> => {
    const startedAt = github.now();
    const outcome = await post(delivery, AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)]));
    const durationSeconds = (github.now() - startedAt) / 1000;
    github.deliveries.finished(delivery, { ...outcome, durationSeconds });
    const url = new URL(delivery.url);
    wireLog.record({
      t: startedAt,
      peer: 'worker',
      method: 'POST',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      request: JSON.parse(delivery.body),
      status: outcome.statusCode,
      reply: outcome.body,
    });
  };

  const track = (work: Promise<void>): Promise<void> => {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  };

  const later = (delivery: Delivery, delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(send(delivery)), delayMs);
      closing.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });

  const take = (delivery: Delivery): WebhookRule | undefined => {
    const rule = rules.find(
      (one) =>
        (one.event === undefined || one.event === delivery.event) &&
        (one.action === undefined || one.action === delivery.action),
    );
    if (!rule) return undefined;
    rule.left -= 1;
    rules = rules.filter((one) => one.left > 0);
    return rule;
  };

  github.deliveries.onDelivery((delivery) => {
    const rule = take(delivery);
    const how = rule?.how;
    switch (how) {
      case undefined:
        void track(send(delivery));
        return;
      case 'duplicate':
        void track(Promise.all([send(delivery), send(delivery)]).then(() => undefined));
        return;
      case 'delay':
        void track(later(delivery, rule?.delayMs ?? 1000));
        return;
      case 'hold':
        held.push(delivery);
        return;
      case 'fail':
        github.deliveries.finished(delivery, {
          ...unreached('failed to connect to host', 502),
          durationSeconds: 0,
        });
        return;
      case 'lose':
        github.deliveries.forget(delivery);
        return;
      default:
        throw new Error(`unknown rule ${how satisfies never}`);
    }
  });

  return {
    faults: {
      next(rule) {
        rules.push({ ...rule, left: rule.times ?? 1 });
      },
      async release(order) {
        const batch = order === 'reverse' ? held.reverse() : held;
        held = [];
        for (const delivery of batch) await track(send(delivery));
      },
      clear() {
        rules = [];
      },
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    async close() {
      held = [];
      closing.abort();
      await Promise.all(underWay);
    },
  };
}

type Answer = Omit<DeliveryOutcome, 'durationSeconds'>;

async function post(delivery: Delivery, signal: AbortSignal): Promise<Answer> {
  try {
    const response = await fetch(delivery.url, {
      method: 'POST',
      headers: delivery.headers,
      body: delivery.body,
      redirect: 'manual',
      signal,
    });
    const body = (await response.text()).slice(0, MAX_RECORDED_REPLY);
    return {
      status: response.ok ? 'OK' : `Invalid HTTP Response: ${response.status}`,
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      body,
    };
  } catch (error) {
    const timedOut = error instanceof Error && error.name === 'TimeoutError';
    return timedOut ? unreached('timed out', 0) : unreached('failed to connect to host', 502);
  }
}

function unreached(status: string, statusCode: number): Answer {
  return { status, statusCode, headers: {}, body: '' };
}
