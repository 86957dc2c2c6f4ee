import type { WireJob } from '#core/job';
import { chooseJob } from '#webhook/choose-job';
import { isSigned } from '#webhook/signature';
import type { Bindings } from './bindings.ts';
import { forwardDelivery } from './forward-delivery.ts';
import { sendJob } from './job-queue.ts';
import { readBody } from './read-body.ts';
import type { sendLimits } from './try-in-time.ts';

type Status = 202 | 400 | 401 | 413 | 415 | 422 | 503;
type Outcome = { job: WireJob } | { ignored: string } | { error: string };
/** The text that GitHub shows to the App's owner beside the delivery. */
export type Answer = { status: Status; body: { ok: boolean; delivery: string | null } & Outcome };

const required = ['X-GitHub-Event', 'X-GitHub-Delivery', 'X-Hub-Signature-256'] as const;

/**
 * Handles one delivery of GitHub, from its bytes to a job in the queue. Nothing is remembered: a delivery that comes
 * twice, or is sent again by hand, goes through again, and the reconciler finds nothing more to do.
 */
export async function receiveWebhook(
  request: Request,
  bindings: Bindings,
  limits?: typeof sendLimits,
): Promise<Answer> {
  const event = request.headers.get('X-GitHub-Event') ?? '';
  const delivery = request.headers.get('X-GitHub-Delivery') ?? '';
  const signature = request.headers.get('X-Hub-Signature-256') ?? '';
  const answer = (status: Status, outcome: Outcome): Answer => ({
    status,
    body: { ok: status === 202, delivery: delivery || null, ...outcome },
  });

  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    return answer(415, {
      error: 'The body must be application/json: set the content type of the webhook in the GitHub App.',
    });
  }
  const missing = required.filter((name) => !request.headers.get(name));
  if (missing.length > 0) {
    return answer(400, { error: `GitHub sends ${missing.join(', ')} with every delivery; missing here.` });
  }

  const body = await readBody(request);
  if (!body.ok && body.problem === 'too large') {
    return answer(413, {
      error: 'The body is larger than 4 MB, which is more than any event has that Eph acts on.',
    });
  }
  const secrets = [bindings.GITHUB_WEBHOOK_SECRET, bindings.GITHUB_WEBHOOK_SECRET_PREVIOUS ?? []].flat();
  if (!body.ok || !(await isSigned(body.text, signature, secrets))) {
    return answer(401, {
      error: 'X-Hub-Signature-256 does not match the body: check the webhook secret of the GitHub App.',
    });
  }

  let payload: unknown;
  try {
    payload = JSON.parse(body.text);
  } catch {
    return answer(400, { error: 'The body is signed but is not JSON.' });
  }
  const choice = chooseJob(event, delivery, payload);
  if ('ignored' in choice) return answer(202, { ignored: choice.ignored });
  if ('problem' in choice) return answer(422, { error: choice.problem });

  const result =
    'INGRESS_URL' in bindings
      ? await forwardDelivery(bindings.INGRESS_URL, request.headers, body.text, limits)
      : await sendJob(bindings, choice.job, limits);
  if (!result.ok) {
    return answer(503, {
      error: `The job was not queued: ${result.problem}. GitHub keeps this delivery as failed; send it again.`,
    });
  }
  return answer(202, { job: choice.job });
}
