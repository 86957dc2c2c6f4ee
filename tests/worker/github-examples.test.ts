import examples, { type WebhookDefinition } from '@octokit/webhooks-examples';
import { afterEach, expect, test, vi } from 'vitest';
import { decodeJob } from '#core/job';
import app from '../../worker/index.ts';
import { delivery, env } from './delivery.ts';
import { fakeSqs } from './fake-sqs.ts';

/** GitHub's own payloads, signed, through the Worker as it is deployed. */
const acted = [
  'opened',
  'reopened',
  'synchronize',
  'closed',
  'ready_for_review',
  'converted_to_draft',
  'edited',
];
const payloads = examples.flatMap((definition) => (isPullRequest(definition) ? definition.examples : []));

function isPullRequest(definition: WebhookDefinition): definition is WebhookDefinition<'pull_request'> {
  return definition.name === 'pull_request';
}

afterEach(() => {
  vi.restoreAllMocks();
});

test.each(payloads.map((payload, index) => [index, payload.action, payload] as const))(
  'example %i (pull_request.%s) is answered 202',
  async (_, action, payload) => {
    const sqs = fakeSqs();
    vi.spyOn(globalThis, 'fetch').mockImplementation(sqs.fetch);
    vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const response = await app.fetch(await delivery({ event: 'pull_request', payload }), env);
    expect(response.status).toBe(202);
    const expected = payload.installation && acted.includes(action) ? 1 : 0;
    expect(sqs.messages).toHaveLength(expected);
    for (const { MessageBody } of sqs.messages) {
      expect(decodeJob(MessageBody)).toMatchObject({
        ok: true,
        job: {
          action,
          number: payload.number,
          access: String(payload.installation?.id),
          repository: { id: payload.repository.id, owner: 'Codertocat', name: 'Hello-World' },
        },
      });
    }
  },
);

test('the examples contain every action that Eph acts on, except edited', () => {
  const seen = new Set<string>(
    payloads.filter((payload) => payload.installation).map((payload) => payload.action),
  );
  expect(acted.filter((action) => !seen.has(action))).toEqual(['edited']);
});
