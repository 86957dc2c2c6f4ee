import { type Attempt, type SendResult, sendLimits, tryInTime } from './try-in-time.ts';

/** The receiving function reads no other header of GitHub's. */
const passedOn = ['content-type', 'x-github-event', 'x-github-delivery', 'x-hub-signature-256'];

/**
 * Passes a delivery on to the function behind INGRESS_URL (infra/stack/webhook-ingress.ts), byte by byte: the
 * function trusts only GitHub's signature. Only deliveries that make a job come here, and those are far below the 6
 * MB that a function takes.
 */
export function forwardDelivery(
  ingressUrl: string,
  headers: Headers,
  body: string,
  limits = sendLimits,
): Promise<SendResult> {
  const kept = passedOn.map((name): [string, string] => [name, headers.get(name) ?? '']);
  return tryInTime('The function at INGRESS_URL', limits, async (signal): Promise<Attempt> => {
    const response = await fetch(ingressUrl, { method: 'POST', headers: kept, body, signal });
    const answer = (await response.text()).slice(0, 200);
    if (response.status === 202) return { ok: true };
    const again = response.status >= 500 || response.status === 429;
    const problem = `The function at INGRESS_URL answered ${response.status} ${answer}`;
    return { ok: false, problem, again };
  });
}
