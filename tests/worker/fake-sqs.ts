/**
 * The Worker's view of SQS: it keeps the messages, and refuses, hangs or drops the connection as often as a test
 * says. It replaces `fetch`.
 */
export interface FakeSqs {
  fetch: typeof fetch;
  requests: Request[];
  messages: { QueueUrl: string; MessageBody: string }[];
  /** The next `times` requests have this outcome. */
  next(outcome: Response | Error | 'hang', times?: number): void;
}

export function fakeSqs(): FakeSqs {
  const outcomes: (Response | Error | 'hang')[] = [];
  const sqs: FakeSqs = {
    requests: [],
    messages: [],
    next: (outcome, times = 1) => outcomes.push(...Array.from({ length: times }, () => outcome)),
    fetch: async (input, init) => {
      const request = new Request(input, init);
      sqs.requests.push(request.clone());
      const outcome = outcomes.shift();
      if (outcome === 'hang') return hang(request.signal);
      if (outcome instanceof Error) throw outcome;
      if (outcome) return outcome.clone();
      sqs.messages.push(await request.json());
      return Response.json({ MessageId: `message-${sqs.messages.length}`, MD5OfMessageBody: '' });
    },
  };
  return sqs;
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

export function sqsError(status: number, name: string): Response {
  return Response.json({ __type: `com.amazonaws.sqs#${name}`, message: 'said by SQS' }, { status });
}
