import type { WireJob } from '#core/job';
import { chooseJob } from '#webhook/choose-job';
import { isSigned } from '#webhook/signature';

/**
 * A delivery of GitHub that the Worker passed on (INGRESS=function-url). The address is open to everybody, so
 * only GitHub's signature is trusted; what the Worker made of the delivery is not read at all.
 *
 * A delivery that is sent twice makes its job twice, which is harmless: a job only means "reconcile X again".
 */
export interface Delivery {
  event: string;
  /** GitHub's `X-GitHub-Delivery`. */
  id: string;
  /** `sha256=...`, of the body's bytes. */
  signature: string;
  body: string;
}

export interface WebhookReceiver {
  /** The webhook secret, and the previous one during a rotation. They are cached; `again` reads them again. */
  secrets(again: boolean): Promise<string[]>;
  send(job: WireJob): Promise<void>;
}

export interface DeliveryAnswer {
  status: 202 | 400 | 401 | 422;
  body: { ok: boolean; delivery: string } & ({ job: WireJob } | { ignored: string } | { error: string });
}

/** Throws what the receiver throws: Lambda then answers 502, and the Worker tries again. */
export async function receiveDelivery(
  delivery: Delivery,
  receiver: WebhookReceiver,
): Promise<DeliveryAnswer> {
  const { event, id, signature, body } = delivery;
  const answer = (
    status: DeliveryAnswer['status'],
    outcome: { job: WireJob } | { ignored: string } | { error: string },
  ): DeliveryAnswer => ({ status, body: { ok: status === 202, delivery: id, ...outcome } });

  const signed =
    (await isSigned(body, signature, await receiver.secrets(false))) ||
    // The secret may have been replaced since it was read.
    (await isSigned(body, signature, await receiver.secrets(true)));
  if (!signed) return answer(401, { error: 'X-Hub-Signature-256 does not match the body.' });

  const payload = parseJson(body);
  if (payload === undefined) return answer(400, { error: 'The body is signed but is not JSON.' });
  const choice = chooseJob(event, id, payload);
  if ('ignored' in choice) return answer(202, choice);
  if ('problem' in choice) return answer(422, { error: choice.problem });
  await receiver.send(choice.job);
  return answer(202, choice);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
